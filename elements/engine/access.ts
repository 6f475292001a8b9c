// Which files the engine uses for an element. The element that started it may name any. One that joined
// by a socket may not: whoever reaches the socket would read and write as the engine's user.
import { realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { EnhancerStart, SenderStart } from '../channel/messages.ts';
import { parseUplink } from '../patch-sender/uplink.ts';

export type MayUse = (path: string) => boolean;

/** Paths below one of the folders, links followed. No folder: none. */
export function below(folders: readonly string[]): MayUse {
  const allowed = folders.map(realPath);
  return (path) =>
    allowed.some((folder) => {
      const way = relative(folder, realPath(path));
      return way === '' || !(way === '..' || way.startsWith('../') || way.startsWith('/'));
    });
}

/** Also of what does not exist yet: as far as it does. */
function realPath(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    const folder = dirname(whole);
    return folder === whole ? whole : join(realPath(folder), basename(whole));
  }
}

export interface Refused<Start> {
  readonly start: Start;
  readonly warnings: readonly { readonly cause: string; readonly remedy: string }[];
}

const remedy = (path: string): string =>
  `Start the engine with --allow and a folder that holds ${path}, or let the element start an engine ` +
  'of its own (engine=auto).';

/** The start without what the element may not name. */
export function withinEnhancer(start: EnhancerStart, mayUse: MayUse): Refused<EnhancerStart> {
  let allowed = start;
  const warnings = [];
  if (start.modelStore !== '' && !mayUse(start.modelStore)) {
    allowed = { ...allowed, modelStore: '' };
    warnings.push({
      cause: `A joined engine was to keep models in ${start.modelStore}, which it may not use: nothing is kept.`,
      remedy: remedy(start.modelStore),
    });
  }
  for (const [what, path] of [
    ['certificate', start.feedbackCertificate],
    ['tokens file', start.tokensFile],
  ] as const) {
    if (path === '' || mayUse(path)) continue;
    // Not without TLS and tokens where they were asked for.
    allowed = { ...allowed, feedbackListen: '', feedbackCertificate: '', tokensFile: '' };
    warnings.push({
      cause: `A joined engine was to read the ${what} ${path}, which it may not use: there is no feedback.`,
      remedy: remedy(path),
    });
  }
  return { start: allowed, warnings };
}

/** As withinEnhancer. */
export function withinSender(start: SenderStart, mayUse: MayUse): Refused<SenderStart> {
  const path = tracePath(start.uplink);
  if (path === undefined || mayUse(path)) return { start, warnings: [] };
  const cause = `A joined engine was to read the trace ${path}, which it may not use: the uplink is taken for max-bitrate.`;
  return { start: { ...start, uplink: 'auto' }, warnings: [{ cause, remedy: remedy(path) }] };
}

function tracePath(uplink: string): string | undefined {
  try {
    const choice = parseUplink(uplink);
    return choice.kind === 'trace' ? choice.path : undefined;
  } catch {
    return undefined; // whoever opens it says what is wrong
  }
}
