// Frames of the canvas where the script cannot hand them over (an OBS without LuaJIT's FFI): screenshots
// of the program scene over the websocket. They cost more, have no time of their own, and miss what
// transitions show.
import sharp from 'sharp';
import type { ObsClient } from './obs-client.ts';
import {
  lumaOf,
  shrink,
  smallHeight,
  smallWidth,
  type ColourSettings,
  type Luma,
} from './picture.ts';

export interface Screenshot {
  readonly luma: Luma;
  readonly small: Luma;
  /** When it was asked for. */
  readonly atMs: number;
}

export interface ScreenshotFeedOptions {
  readonly client: ObsClient;
  readonly colour: ColourSettings;
  readonly size: { readonly width: number; readonly height: number };
  readonly onShot: (shot: Screenshot) => void;
  /** Once; no more screenshots are taken then. */
  readonly onTrouble: (reason: string) => void;
  readonly nowMs: () => number;
}

const intervalMs = 300;

export class ScreenshotFeed {
  readonly #options: ScreenshotFeedOptions;
  readonly #timer: NodeJS.Timeout;
  #isBusy = false;
  #isCollectionChanging = false;
  #isClosed = false;

  constructor(options: ScreenshotFeedOptions) {
    this.#options = options;
    // OBS 29 has ended when a scene went while a screenshot of it was taken.
    options.client.onCollectionChanging((isChanging) => {
      this.#isCollectionChanging = isChanging;
    });
    this.#timer = setInterval(() => void this.#take(), intervalMs);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  async #take(): Promise<void> {
    if (this.#isBusy || this.#isCollectionChanging) return;
    this.#isBusy = true;
    const { client, colour, size, onShot, onTrouble, nowMs } = this.#options;
    try {
      const atMs = nowMs();
      const { currentProgramSceneName } = await client.call('GetCurrentProgramScene');
      const { imageData } = await client.call('GetSourceScreenshot', {
        sourceName: currentProgramSceneName,
        imageFormat: 'jpg',
        // Coarser ones would pass JPEG's own errors on as detail.
        imageCompressionQuality: 100,
      });
      const bytes = Buffer.from(imageData.slice(imageData.indexOf(',') + 1), 'base64');
      const { data, info } = await sharp(bytes, { limitInputPixels: size.width * size.height })
        .removeAlpha()
        .toColourspace('srgb')
        .raw()
        .toBuffer({ resolveWithObject: true });
      if (info.width !== size.width || info.height !== size.height || info.channels !== 3) {
        throw new Error(`a screenshot of ${info.width}x${info.height}`);
      }
      const luma = lumaOf(data, 'rgb', info.width, info.height, info.width * 3, colour);
      if (!this.#isClosed) onShot({ luma, small: shrink(luma, smallWidth, smallHeight), atMs });
    } catch (error) {
      const isFirst = !this.#isClosed;
      this.close();
      if (isFirst) onTrouble(error instanceof Error ? error.message : String(error));
    } finally {
      this.#isBusy = false;
    }
  }
}
