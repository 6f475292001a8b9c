// Makes a root: debootstrap's smallest Debian, this machine's way to its package servers, git, Node
// and npm. What livesr itself needs is left to livesr's own set-up, which is what is to be tried.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isNewEnough } from '../setup.mjs';
import { output, run, say, SetupError } from '../shell.mjs';
import { runInRoot } from './chroot.mjs';
import {
  aptDownloadSettings,
  aptSources,
  networkEnvironment,
  nodeParts,
  npmSettings,
  trustedCertificates,
} from './host.mjs';

export const codenames = { 12: 'bookworm', 13: 'trixie' };

function write(root, path, text, mode = 0o644) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text, { mode });
}

function bootstrap(root, codename, archive) {
  if (output('debootstrap', ['--version']) === undefined) {
    throw new SetupError(
      'debootstrap is missing. Install it as root:\n  apt-get install debootstrap',
    );
  }
  mkdirSync(root, { recursive: true });
  const words = ['--variant=minbase', '--include=ca-certificates', codename, root, archive];
  if (run('debootstrap', words, { env: networkEnvironment() }) !== 0) {
    throw new SetupError(`debootstrap failed; it says why above and in ${root}/debootstrap`);
  }
}

// Names, package sources and certificates: with these, programs in the root reach what this
// machine reaches.
async function connect(root, sources, inRoot) {
  for (const file of ['etc/resolv.conf', 'etc/hosts']) {
    if (existsSync(`/${file}`)) copyFileSync(`/${file}`, join(root, file));
  }
  write(root, 'etc/apt/sources.list', sources.list);
  write(root, 'etc/apt/apt.conf.d/00host', aptDownloadSettings());
  // A root that is made again within minutes need not survive a power cut.
  write(root, 'etc/dpkg/dpkg.cfg.d/no-sync', 'force-unsafe-io\n');
  for (const [index, certificate] of trustedCertificates().entries()) {
    write(root, `usr/local/share/ca-certificates/host-${index}.crt`, `${certificate}\n`);
  }
  write(root, 'root/.npmrc', npmSettings(), 0o600);
  await inRoot('update-ca-certificates --fresh >/dev/null && apt-get update');
}

function copyNode(root, prefix) {
  for (const part of nodeParts(prefix)) {
    cpSync(join(prefix, part), join(root, 'usr/local', part), {
      recursive: true,
      verbatimSymlinks: true,
    });
  }
  chmodSync(join(root, 'usr/local/bin/node'), 0o755);
  for (const name of ['npm', 'npx']) {
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name));
  }
}

// Debian's own Node where it is new enough; otherwise that of this machine, as a person would
// install one from elsewhere.
async function installNode(root, prefix, inRoot) {
  const versions = join(root, 'root/node-version');
  await inRoot("apt-cache policy nodejs | sed -n 's/ *Candidate: //p' > /root/node-version");
  const [version] = (output('cat', [versions]) ?? '').split('+');
  rmSync(versions, { force: true });
  if (isNewEnough(version)) {
    await inRoot('apt-get install -y --no-install-recommends nodejs npm');
    return;
  }
  say(`fresh-root: nodejs ${version} of this release is too old; taking the one in ${prefix}`);
  copyNode(root, prefix);
}

// Removes what an earlier run made, and nothing else: a folder that is no root stays, and so does
// one in which somebody has mounted something, since that would be emptied with it.
function remove(root) {
  if (!existsSync(root)) return;
  if (!existsSync(join(root, 'etc/debian_version'))) {
    throw new SetupError(
      `${root} exists and is not a Debian root. Remove it, or name another --roots`,
    );
  }
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  const inside = mounts.filter((path) => path.startsWith(`${root}/`));
  if (inside.length > 0) {
    throw new SetupError(
      `Something is mounted in ${root}. Unmount it first:\n  ${inside.join('\n  ')}`,
    );
  }
  rmSync(root, { recursive: true });
}

/** Makes the root of a release from nothing; what was there before is removed. */
export async function makeRoot(root, release, { mirror, node, log }) {
  const codename = codenames[release];
  const sources = aptSources(codename, mirror);
  const inRoot = async (command) => {
    const code = await runInRoot(root, command, { log });
    if (code !== 0) throw new SetupError(`in ${root}: ${command}\nfailed with ${code}; see ${log}`);
  };
  remove(root);
  bootstrap(root, codename, sources.archive);
  await connect(root, sources, inRoot);
  await inRoot('apt-get install -y --no-install-recommends git');
  await installNode(root, node ?? dirname(dirname(process.execPath)), inRoot);
}
