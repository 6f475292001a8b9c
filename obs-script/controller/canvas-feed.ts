// Where canvas frames come from: the script's file, looked at often enough to miss none.
import { CanvasFile } from './canvas-file.ts';
import { lumaOf, type ColourSettings, type Luma } from './picture.ts';

export interface FedFrame {
  readonly frameTimeNs: bigint;
  readonly luma: Luma;
  readonly atMs: number;
}

export interface CanvasFeedOptions {
  readonly path: string;
  readonly colour: ColourSettings;
  readonly onFrame: (frame: FedFrame) => void;
  readonly onTrouble: (reason: string) => void;
  readonly nowMs: () => number;
}

const intervalMs = 40;

export class CanvasFeed {
  readonly path: string;
  readonly #options: CanvasFeedOptions;
  #file: CanvasFile | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(options: CanvasFeedOptions) {
    this.#options = options;
    this.path = options.path;
    this.#timer = setInterval(() => {
      this.#look();
    }, intervalMs);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#file?.close();
    this.#file = undefined;
  }

  #look(): void {
    const { path, colour, onFrame, onTrouble, nowMs } = this.#options;
    try {
      this.#file ??= new CanvasFile(path);
      const frame = this.#file.read();
      if (!frame) return;
      const { pixels, order, width, height, lineBytes, frameTimeNs } = frame;
      const luma = lumaOf(pixels, order, width, height, lineBytes, colour);
      onFrame({ frameTimeNs, luma, atMs: nowMs() });
    } catch (error) {
      this.close();
      onTrouble(error instanceof Error ? error.message : String(error));
    }
  }
}
