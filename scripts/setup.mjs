// Everything between a fresh clone and a program that runs: Node's version, system packages, npm
// packages, the build. Plain Node without dependencies, since it runs before anything is installed.
// Each step looks first and does nothing when there is nothing to do.
import { existsSync, lstatSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from './build.mjs';
import { output, root, run, say, SetupError } from './shell.mjs';

const oldestNode = [20, 19];

export function isNewEnough(nodeVersion) {
  const [major, minor] = nodeVersion.split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

function checkNode() {
  if (isNewEnough(process.versions.node)) return;
  throw new SetupError(
    `livesr needs Node ${oldestNode.join('.')} or newer; this is Node ${process.versions.node}.\n` +
      'Install a newer one, for instance from https://nodejs.org or https://github.com/nodesource/distributions.',
  );
}

function missingPackages(wanted) {
  const listed = output('dpkg-query', [
    '-W',
    '-f',
    '${db:Status-Abbrev}\\t${Package}\\n',
    ...wanted,
  ]);
  if (listed === undefined) {
    throw new SetupError(
      'livesr sets itself up on Debian 12 and 13 and their relatives, and this system has no dpkg-query.\n' +
        `Install what these Debian packages hold, then run npm run build:\n  ${wanted.join(' ')}`,
    );
  }
  const installed = new Set();
  for (const line of listed.split('\n')) {
    const [status, name] = line.split('\t');
    if (name !== undefined && status.startsWith('ii')) installed.add(name);
  }
  return wanted.filter((name) => !installed.has(name));
}

// The words that put root's rights before a command; undefined when there is no way to get them.
function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  if (run('sudo', ['-n', 'true'], { stdio: 'ignore' }) === 0) return ['sudo'];
  const canAskForPassword = process.stdin.isTTY && run('sudo', ['-V'], { stdio: 'ignore' }) === 0;
  return canAskForPassword ? ['sudo'] : undefined;
}

const namesIn = (file) =>
  JSON.parse(readFileSync(join(root, 'scripts', file), 'utf8')).map((entry) => entry.package);

// A whole OBS is for the tests alone.
function installSystemPackages(isForTests) {
  const wanted = [
    ...namesIn('packages.json'),
    ...(isForTests ? namesIn('packages-of-tests.json') : []),
  ];
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;

  say(`set-up: missing system packages: ${missing.join(' ')}`);
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  const byHand = `Install them as root, then run the same command again:\n  apt-get update && ${install.join(' ')}`;
  const prefix = rootPrefix();
  if (prefix === undefined) {
    throw new SetupError(
      `Installing them takes root's rights, and sudo is not available.\n${byHand}`,
    );
  }
  const apt = (args) => {
    // `env` and not our own environment: sudo would drop it.
    const [program, ...rest] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', ...args];
    return run(program, rest);
  };
  // A fresh machine has no package lists, and old lists name files that are gone. One source that
  // does not answer need not matter, so a failure here is only told.
  if (apt(['apt-get', 'update']) !== 0)
    say('set-up: apt-get update failed; trying with what is there');
  apt(install);
  const left = missingPackages(missing);
  if (left.length > 0) throw new SetupError(`apt could not install: ${left.join(' ')}\n${byHand}`);
}

const addon = 'node_modules/gstreamer-superficial/build/Release/gstreamer-superficial.node';

// npm leaves what it installed in node_modules/.package-lock.json. Packages for other systems are
// in the project's lock only, hence `optional`.
function npmPackagesAreCurrent() {
  const installedLock = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedLock)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedLock, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, entry]) =>
      path === '' ||
      (installed[path] === undefined
        ? entry.optional === true
        : installed[path].version === entry.version),
  );
}

// node-gyp fetches Node's headers; where they lie with this Node already, it needs no network for it.
function nodeHeaders() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  const headers = join(prefix, 'include/node');
  const isThere = ['node_version.h', 'common.gypi'].every((f) => existsSync(join(headers, f)));
  if (process.env.npm_config_nodedir !== undefined || !isThere) return {};
  const text = readFileSync(join(headers, 'node_version.h'), 'utf8');
  const version = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => text.match(new RegExp(`#define NODE_${part}_VERSION (\\d+)`))?.[1],
  );
  return version.join('.') === process.versions.node ? { npm_config_nodedir: prefix } : {};
}

function npm(args) {
  const env = {
    ...nodeHeaders(),
    // Its install script would fetch CUDA libraries that nothing here uses.
    ONNXRUNTIME_NODE_INSTALL: 'skip',
  };
  // Under `npm run` the same npm again, whatever is first on the path.
  const npmScript = process.env.npm_execpath;
  return npmScript?.endsWith('.js')
    ? run(process.execPath, [npmScript, ...args], { env })
    : run('npm', args, { env });
}

function installNpmPackages() {
  if (!npmPackagesAreCurrent()) {
    if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new SetupError(
        'node_modules is a link to packages that differ from package-lock.json.\n' +
          'Run npm ci where it points to, or remove the link.',
      );
    }
    say('set-up: npm ci');
    const status = npm(['ci', '--no-audit', '--no-fund']);
    if (status !== 0) {
      throw new SetupError(`npm ci failed with exit code ${status}; npm says why above.`);
    }
  }
  // An npm that does not run install scripts leaves this one unbuilt.
  if (!existsSync(join(root, addon))) {
    say('set-up: building gstreamer-superficial');
    npm(['rebuild', 'gstreamer-superficial', '--ignore-scripts=false', '--foreground-scripts']);
    if (!existsSync(join(root, addon))) {
      throw new SetupError(
        'gstreamer-superficial could not be built; node-gyp says why above.\n' +
          "Where nodejs.org cannot be reached, point npm at Node's own headers and run this again:\n" +
          '  npm config set nodedir /usr',
      );
    }
  }
}

export function setUp(isForTests) {
  checkNode();
  installSystemPackages(isForTests);
  installNpmPackages();
  build({ withTests: isForTests });
}
