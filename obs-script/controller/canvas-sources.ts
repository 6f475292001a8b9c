// Which way frames of the canvas come: the script's file where there is one, screenshots where they are
// wanted.
import { CanvasFeed, type FedFrame } from './canvas-feed.ts';
import type { ObsClient } from './obs-client.ts';
import { ScreenshotFeed, type Screenshot } from './screenshot-feed.ts';
import type { StreamFormat } from './stream-format.ts';

export interface CanvasSourcesOptions {
  readonly onFrame: (frame: FedFrame) => void;
  readonly onShot: (shot: Screenshot) => void;
  readonly log: (line: string) => void;
  readonly nowMs: () => number;
}

export interface CanvasWanted {
  readonly client: ObsClient | undefined;
  readonly format: StreamFormat | undefined;
  /** Of the script; empty: none. */
  readonly file: string;
  readonly takesShots: boolean;
}

export class CanvasSources {
  readonly #options: CanvasSourcesOptions;
  #feed: CanvasFeed | undefined;
  #shots: ScreenshotFeed | undefined;

  constructor(options: CanvasSourcesOptions) {
    this.#options = options;
  }

  /** Called each second. */
  follow(wanted: CanvasWanted): void {
    this.#followFile(wanted);
    this.#followShots(wanted);
  }

  close(): void {
    this.#feed?.close();
    this.#feed = undefined;
    this.#shots?.close();
    this.#shots = undefined;
  }

  #followFile({ file, format }: CanvasWanted): void {
    if (this.#feed?.path === file) return;
    this.#feed?.close();
    this.#feed = undefined;
    if (file === '' || !format) return;
    const { onFrame, log, nowMs } = this.#options;
    this.#feed = new CanvasFeed({
      path: file,
      colour: format.colour,
      nowMs,
      onFrame,
      onTrouble: (reason) => {
        log(`no frames of the canvas for now: ${reason}`);
        this.#feed = undefined;
      },
    });
  }

  #followShots({ client, format, takesShots }: CanvasWanted): void {
    if (!takesShots || !client || !format) {
      this.#shots?.close();
      this.#shots = undefined;
      return;
    }
    const { onShot, log, nowMs } = this.#options;
    this.#shots ??= new ScreenshotFeed({
      client,
      colour: format.colour,
      size: format.canvas,
      nowMs,
      onShot,
      onTrouble: (reason) => {
        log(`no screenshots for now: ${reason}`);
        this.#shots = undefined;
      },
    });
  }
}
