// Running programs in a root. Mounts and processes are in namespaces of their own: however a run
// ends, the kernel takes both away with it, and nothing is left to be cleaned up.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { networkEnvironment } from './host.mjs';

// $1: the root; then one "from:to" for each folder of this machine, "--", and the program.
const mountAndRun = `
set -e
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$1" != -- ]; do
  mkdir -p "$root\${1#*:}"
  mount --bind "\${1%%:*}" "$root\${1#*:}"
  mount -o remount,bind,ro "$root\${1#*:}"
  shift
done
shift
exec chroot "$root" "$@"
`;

const environment = {
  HOME: '/root',
  LANG: 'C.UTF-8',
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  DEBIAN_FRONTEND: 'noninteractive',
  NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt',
  npm_config_cafile: '/etc/ssl/certs/ca-certificates.crt',
};

/**
 * Runs a shell command in the root and resolves with its exit code. `readOnly` maps folders of this
 * machine to paths in the root; what the command says goes to the end of `log`, or to the terminal.
 * With `lock` the command waits for that file's lock, so that runs that are timed do not meet.
 */
export function runInRoot(root, command, { readOnly = {}, log, lock, env = {} } = {}) {
  const words = ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'];
  const program = [
    ...(lock === undefined ? [] : ['flock', '--no-fork', lock]),
    ...['unshare', ...words, 'sh', '-c', mountAndRun, 'sh', root],
    ...Object.entries(readOnly).map(([from, to]) => `${from}:${to}`),
    ...['--', 'sh', '-c', command],
  ];
  const file = log === undefined ? undefined : openSync(log, 'a');
  const child = spawn(program[0], program.slice(1), {
    env: { ...networkEnvironment(), ...environment, ...env },
    stdio: ['ignore', file ?? 2, file ?? 2],
  });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      process.off('exit', kill);
      if (file !== undefined) closeSync(file);
      resolve(code ?? 128);
    });
  });
}
