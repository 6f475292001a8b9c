// A way into a server's engine: an engine of the tests' own, which reads the burnt-in numbers of every
// pair that it is sent.
import { createServer, type Server } from 'node:net';
import { marginOf, type Architecture } from '../../elements/bridge/index.ts';
import { FrameDecoder } from '../../elements/channel/frame.ts';
import { enhancerStart, patchPair } from '../../elements/channel/messages.ts';
import { serve } from '../../elements/engine/connection.ts';
import { splitPair } from '../../elements/sr-enhancer/contents.ts';
import { numberIn } from './numbered-clip.ts';

const scale = 2;

/** An engine, and the numbers that stand in both parts of each pair that it is sent. */
export class WatchedEngine {
  readonly pairs: { readonly high: number; readonly low: number }[] = [];
  readonly #server: Server;

  constructor(
    path: string,
    log = (line: string): void => {
      console.info(`engine: ${line}`);
    },
  ) {
    this.#server = createServer((socket) => {
      void serve(socket, { log });
      const decoder = new FrameDecoder();
      let architecture: Architecture | undefined;
      socket.on('data', (chunk: Buffer) => {
        decoder.push(chunk, ({ head, blob }) => {
          if (head.type === 'enhancer.start') architecture = enhancerStart.parse(head);
          if (head.type === 'patch.pair' && architecture) this.#look(architecture, head, blob);
        });
      });
    }).listen(path);
  }

  close(): void {
    this.#server.close();
  }

  #look(architecture: Architecture, head: unknown, blob: Uint8Array): void {
    const { high, low, width } = splitPair(architecture, patchPair.parse(head), blob);
    const margin = marginOf(architecture);
    const inHigh = numberIn(high, width, 0, 0, 1);
    const inLow = numberIn(low, width / scale + 2 * margin, margin, margin, scale);
    if (inHigh !== undefined && inLow !== undefined) this.pairs.push({ high: inHigh, low: inLow });
  }
}
