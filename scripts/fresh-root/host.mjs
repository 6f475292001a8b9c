// How this machine reaches its package servers, in a form that a fresh root can use. Nothing here
// names a server: everything is read from the machine's own configuration.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { output, SetupError } from '../shell.mjs';

const certificateBundle = '/etc/ssl/certs/ca-certificates.crt';

/** The code name of the Debian release of this machine; undefined on another system. */
export function hostCodename() {
  if (!existsSync('/etc/os-release')) return undefined;
  const fields = new Map(
    readFileSync('/etc/os-release', 'utf8')
      .split('\n')
      .map((line) => line.split('='))
      .filter((parts) => parts.length === 2)
      .map(([name, value]) => [name, value.replaceAll('"', '')]),
  );
  return fields.get('ID') === 'debian' ? fields.get('VERSION_CODENAME') : undefined;
}

/**
 * The machine's own Debian sources with the release replaced: the archive for debootstrap, and the
 * lines of a sources.list. With `mirror` that archive takes their place.
 */
export function aptSources(codename, mirror) {
  if (mirror !== undefined) {
    return {
      archive: mirror,
      list: `deb ${mirror} ${codename} main\ndeb ${mirror} ${codename}-updates main\n`,
    };
  }
  const host = hostCodename();
  const format = '$(REPO_URI)\t$(RELEASE)\t$(ORIGIN)';
  const listed = output('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const sources = (listed ?? '')
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([, release, origin]) => origin === 'Debian' && release.split('-')[0] === host)
    .map(([uri, release]) => ({ uri, release: release.replace(host, codename) }));
  const archive = sources.find(({ release }) => release === codename)?.uri;
  if (host === undefined || archive === undefined) {
    throw new SetupError(
      'This machine has no apt source of Debian that a fresh root could use.\n' +
        'Run apt-get update first, or name a mirror: --mirror http://HOST/debian',
    );
  }
  const lines = sources.map(({ uri, release }) => `deb ${uri} ${release} main\n`);
  return { archive, list: [...new Set(lines)].join('') };
}

/** apt's settings for downloads (proxies, time limits), as a file for apt.conf.d. */
export function aptDownloadSettings() {
  return (output('apt-config', ['dump', 'Acquire']) ?? '')
    .split('\n')
    .filter((line) => !/^Acquire::(IndexTargets|Changelogs|cdrom)/.test(line))
    .join('\n');
}

/** Environment of programs in the root: the proxies of this machine, and nothing else of it. */
export function networkEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^(https?|ftp|no|all)_proxy$/i.test(name)),
  );
}

/** Every certificate that this machine trusts, each as a text of its own. */
export function trustedCertificates() {
  if (!existsSync(certificateBundle)) return [];
  const bundle = readFileSync(certificateBundle, 'utf8');
  return bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/**
 * npm's settings of this machine and this user. What names a place of this machine (certificates,
 * Node's headers, folders) would point nowhere in the root.
 */
export function npmSettings() {
  const isOfThisMachine = /^\s*(cafile|nodedir|prefix|cache|globalconfig|userconfig|tmp)\s*=/;
  const files = ['globalconfig', 'userconfig'].map((name) =>
    output('npm', ['config', 'get', name])?.trim(),
  );
  return files
    .filter((file) => file !== undefined && existsSync(file))
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .filter((line) => !isOfThisMachine.test(line))
    .join('\n');
}

/** The parts of this machine's Node and npm, as paths below the prefix that they are installed in. */
export function nodeParts(prefix) {
  const parts = ['bin/node', 'lib/node_modules/npm', 'include/node'];
  const missing = parts.filter((part) => !existsSync(join(prefix, part)));
  if (missing.length > 0) {
    throw new SetupError(
      `Node for the root should come from ${prefix}, which has no ${missing.join(', ')}.\n` +
        'Unpack a release of nodejs.org and name its folder: --node FOLDER',
    );
  }
  return parts;
}
