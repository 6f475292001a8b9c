// The inside of a pipeline process: like gst-launch-1.0, but its parent reads the bus and properties
// over IPC. Runs until the pipeline ends, fails, or the parent goes away.
import { createRequire } from 'node:module';
import type { BusMessage, FromPipeline, ToPipeline } from './pipeline-messages.ts';

/** The little of gstreamer-superficial that is used; it comes without types. */
interface Superficial {
  readonly Pipeline: new (launch: string) => {
    play(): void;
    pause(): void;
    stop(): void;
    sendEOS(): void;
    findChild(name: string): Record<string, unknown> | undefined;
    pollBus(callback: (message: RawMessage) => void): void;
  };
}

type RawMessage = Readonly<Record<string, unknown>>;

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function readMessage(raw: RawMessage): BusMessage {
  const { type, name, message, _src_element_name: source, ...fields } = raw;
  return {
    type: text(type) ?? '',
    source: text(source) ?? '',
    name: text(name),
    text: text(message),
    fields,
  };
}

/** Bus messages that nobody outside has a use for, and that come by the hundred. */
const ownAffairs = new Set(['state-changed', 'stream-status', 'tag', 'async-done', 'new-clock']);

type Send = (message: FromPipeline, sent?: () => void) => void;

/** Waits for the launch line, which the parent sends first, and runs it. */
export function runPipelineProcess(): void {
  if (process.send === undefined) throw new Error('a pipeline process needs a parent with IPC');
  const send: Send = (message, sent) => {
    process.send?.(message, undefined, undefined, sent);
  };
  const goneBeforeLaunch = (): void => {
    process.exit(1);
  };
  process.once('disconnect', goneBeforeLaunch);
  // Ctrl+C in a terminal reaches every process of the group; the parent decides what happens then.
  process.on('SIGINT', () => undefined);
  process.once('message', (command: ToPipeline) => {
    process.off('disconnect', goneBeforeLaunch);
    if (command.kind === 'launch') launchPipeline(command.launch, command.paused, send);
    else throw new Error(`a pipeline process got "${command.kind}" before its launch line`);
  });
}

function launchPipeline(launch: string, paused: boolean, send: Send): void {
  const { Pipeline } = createRequire(import.meta.url)('gstreamer-superficial') as Superficial;
  let pipeline: InstanceType<typeof Pipeline>;
  try {
    pipeline = new Pipeline(launch);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    const message = { type: 'error', source: '', name: null, text: cause, fields: {} };
    send({ kind: 'bus', message }, () => process.exit(1));
    return;
  }

  // pollBus waits in a thread that nothing can call back: only process.exit gets out of here.
  const end = (exitCode: number): void => {
    pipeline.stop();
    process.exit(exitCode);
  };

  pipeline.pollBus((raw) => {
    const message = readMessage(raw);
    if (ownAffairs.has(message.type)) return;
    const isLast = message.type === 'eos' || message.type === 'error';
    send({ kind: 'bus', message }, () => {
      if (isLast) end(message.type === 'eos' ? 0 : 1);
    });
  });

  // gstreamer-superficial makes a new wrapper, which is never freed, each time it finds an element: 38 kB,
  // 5 MB a minute where stats are read twice a second.
  const found = new Map<string, Record<string, unknown> | undefined>();
  const childNamed = (name: string): Record<string, unknown> | undefined => {
    const child = found.get(name) ?? pipeline.findChild(name);
    found.set(name, child);
    return child;
  };

  process.on('message', (command: ToPipeline) => {
    if (command.kind === 'get') {
      const value = childNamed(command.element)?.[command.property];
      send({ kind: 'value', id: command.id, value });
    } else if (command.kind === 'set') {
      const element = childNamed(command.element);
      if (element) element[command.property] = command.value;
    } else if (command.kind === 'play') {
      pipeline.play();
    } else if (command.kind === 'eos') {
      pipeline.sendEOS();
    } else if (command.kind === 'stop') {
      end(0);
    }
  });
  process.on('disconnect', () => {
    end(1);
  });

  if (paused) pipeline.pause();
  else pipeline.play();
}
