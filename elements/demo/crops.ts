// Side-by-side pictures for the report: where the online network came much nearer to the source than
// bicubic did.
import sharp from 'sharp';
import { native, type Model, type Plane } from '../bridge/index.ts';
import type { Y4mFile } from '../measure/y4m.ts';
import { cropped, schemePictures } from './compare.ts';
import type { RecordedPair } from './recording.ts';
import type { Crop } from './report/figures.ts';

/** A window of the picture; even, as chroma is. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

export const cropWidth = 176;
export const cropHeight = 112;
/** Windows are tried at multiples of this. */
const step = 16;

/** Sums of squared differences of the step x step blocks, row by row. */
export function blockErrors(picture: Plane, source: Plane): Float64Array {
  const columns = Math.floor(source.width / step);
  const rows = Math.floor(source.height / step);
  const sums = new Float64Array(columns * rows);
  for (let y = 0; y < rows * step; y++) {
    const row = Math.floor(y / step) * columns;
    for (let x = 0; x < columns * step; x++) {
      const at = y * source.width + x;
      const difference = (picture.pixels[at] ?? 0) - (source.pixels[at] ?? 0);
      const block = row + Math.floor(x / step);
      sums[block] = (sums[block] ?? 0) + difference * difference;
    }
  }
  return sums;
}

/** Every window and how much less squared error it has, greatest first. */
export function rankedPlaces(
  before: Float64Array,
  after: Float64Array,
  width: number,
): (Place & { readonly saved: number })[] {
  const columns = Math.floor(width / step);
  const rows = before.length / columns;
  const wide = cropWidth / step;
  const high = cropHeight / step;
  const places: (Place & { saved: number })[] = [];
  for (let row = 0; row + high <= rows; row++) {
    for (let column = 0; column + wide <= columns; column++) {
      let saved = 0;
      for (let y = row; y < row + high; y++) {
        for (let x = column; x < column + wide; x++) {
          const at = y * columns + x;
          saved += (before[at] ?? 0) - (after[at] ?? 0);
        }
      }
      places.push({ x: column * step, y: row * step, saved });
    }
  }
  return places.sort((a, b) => b.saved - a.saved);
}

export const overlaps = (a: Place, b: Place): boolean =>
  Math.abs(a.x - b.x) < cropWidth && Math.abs(a.y - b.y) < cropHeight;

type Planes = readonly [Plane, Plane, Plane];

/** A window of a 4:2:0 picture as a PNG data URI. BT.709 limited range from 720 lines up, else BT.601. */
async function pngOf([luma, blue, red]: Planes, { x, y }: Place): Promise<string> {
  const isHd = luma.height >= 720;
  const [redOfRed, greenOfBlue, greenOfRed, blueOfBlue] = isHd
    ? [1.793, 0.213, 0.533, 2.112]
    : [1.596, 0.392, 0.813, 2.017];
  const rgb = new Uint8ClampedArray(cropWidth * cropHeight * 3);
  for (let row = 0; row < cropHeight; row++) {
    for (let column = 0; column < cropWidth; column++) {
      const l = 1.164 * ((luma.pixels[(y + row) * luma.width + x + column] ?? 0) - 16);
      const at = ((y + row) >> 1) * blue.width + ((x + column) >> 1);
      const b = (blue.pixels[at] ?? 0) - 128;
      const r = (red.pixels[at] ?? 0) - 128;
      rgb.set(
        [l + redOfRed * r, l - greenOfBlue * b - greenOfRed * r, l + blueOfBlue * b],
        (row * cropWidth + column) * 3,
      );
    }
  }
  const png = await sharp(Buffer.from(rgb.buffer), {
    raw: { width: cropWidth, height: cropHeight, channels: 3 },
  })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}

function windowPsnrDb(picture: Plane, source: Plane, place: Place): number {
  const window = (plane: Plane): Plane => {
    const pixels = new Uint8Array(cropWidth * cropHeight);
    for (let row = 0; row < cropHeight; row++) {
      const start = (place.y + row) * plane.width + place.x;
      pixels.set(plane.pixels.subarray(start, start + cropWidth), row * cropWidth);
    }
    return { pixels, width: cropWidth, height: cropHeight };
  };
  const squares = native().squaredError(window(picture), window(source));
  return native().psnrDb(squares / (cropWidth * cropHeight));
}

/** The `count` best places among the given moments, no two overlapping. */
export async function findCrops(
  moments: readonly {
    readonly timeSeconds: number;
    readonly clipFrame: number;
    readonly pair: RecordedPair;
  }[],
  clip: Y4mFile,
  generic: Model,
  count: number,
): Promise<Crop[]> {
  const { width, height } = clip.header;
  const candidates = moments.flatMap((moment) => {
    const source = clip.readLuma(moment.clipFrame);
    const { bicubic, online } = schemePictures(moment.pair, generic, width, height);
    const places = rankedPlaces(blockErrors(bicubic, source), blockErrors(online, source), width);
    return places.slice(0, 40).map((place) => ({ ...place, moment }));
  });
  candidates.sort((a, b) => b.saved - a.saved);

  const chosen: typeof candidates = [];
  for (const candidate of candidates) {
    if (chosen.length === count || candidate.saved <= 0) break;
    if (!chosen.some((other) => overlaps(candidate, other))) chosen.push(candidate);
  }
  return Promise.all(
    chosen.map(async ({ moment, ...place }): Promise<Crop> => {
      const { pair } = moment;
      const { scale } = generic.architecture;
      const pictures = schemePictures(pair, generic, width, height);
      const source = clip.readPlanes(moment.clipFrame);
      const chroma = (plane: Plane, times: number): Plane => {
        const full = { width: plane.width * times, height: plane.height * times };
        const pixels = native().resample('bicubic', plane, full.width, full.height);
        return cropped({ pixels, ...full }, Math.ceil(width / 2), Math.ceil(height / 2));
      };
      const bicubic: Planes = [
        pictures.bicubic,
        chroma(pair.decoded.chroma(0), scale),
        chroma(pair.decoded.chroma(1), scale),
      ];
      const online: Planes = [pictures.online, pair.enhanced.chroma(0), pair.enhanced.chroma(1)];
      return {
        timeSeconds: moment.timeSeconds,
        x: place.x,
        y: place.y,
        width: cropWidth,
        height: cropHeight,
        bicubicPsnrDb: windowPsnrDb(pictures.bicubic, source[0], place),
        onlinePsnrDb: windowPsnrDb(pictures.online, source[0], place),
        source: await pngOf(source, place),
        bicubic: await pngOf(bicubic, place),
        online: await pngOf(online, place),
      };
    }),
  );
}
