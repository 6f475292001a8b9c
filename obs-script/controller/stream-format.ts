// What OBS is set to: sizes, frame rate, colours. Read over the websocket.
import type { ObsClient } from './obs-client.ts';
import type { ColourSettings } from './picture.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface StreamFormat {
  readonly canvas: Size;
  /** What is encoded for the stream. */
  readonly stream: Size;
  readonly framesPerSecond: number;
  readonly colour: ColourSettings;
  /** The canvas over the stream: 1, 1.5, 2, 3 or 4; undefined when none fits. */
  readonly scale: number | undefined;
}

/** As patchsender sizes its video: padded, cut to 1/scale (docs/protocol.md). */
const lowresSide = (side: number, scale: number): number => {
  const unit = scale === 1.5 ? 4 : 2;
  return unit * Math.ceil(side / (unit * scale));
};

export function scaleBetween(canvas: Size, stream: Size): number | undefined {
  return [1, 1.5, 2, 3, 4].find(
    (scale) =>
      lowresSide(canvas.width, scale) === stream.width &&
      lowresSide(canvas.height, scale) === stream.height,
  );
}

/** "1280x720"; undefined when it is none. */
export function parseSize(text: string): Size | undefined {
  const [, width, height] = /^\s*(\d{2,5})x(\d{2,5})\s*$/.exec(text) ?? [];
  return width === undefined ? undefined : { width: Number(width), height: Number(height) };
}

/** A setting of the profile as it stands, or OBS's default of it. */
export async function profileParameter(
  client: ObsClient,
  category: string,
  name: string,
): Promise<string> {
  const found = await client.call('GetProfileParameter', {
    parameterCategory: category,
    parameterName: name,
  });
  const { parameterValue, defaultParameterValue } = found as {
    readonly parameterValue?: unknown;
    readonly defaultParameterValue?: unknown;
  };
  const value = parameterValue ?? defaultParameterValue;
  return typeof value === 'string' ? value : '';
}

export async function readStreamFormat(client: ObsClient): Promise<StreamFormat> {
  const video = await client.call('GetVideoSettings');
  const canvas = { width: video.baseWidth, height: video.baseHeight };
  const stream = (await encoderSize(client)) ?? {
    width: video.outputWidth,
    height: video.outputHeight,
  };
  const space = await profileParameter(client, 'Video', 'ColorSpace');
  const range = await profileParameter(client, 'Video', 'ColorRange');
  return {
    canvas,
    stream,
    framesPerSecond: video.fpsNumerator / Math.max(1, video.fpsDenominator),
    colour: { space: space === '601' ? '601' : '709', isFullRange: range === 'Full' },
    scale: scaleBetween(canvas, stream),
  };
}

/** Advanced output may rescale once more; OBS 31 says so by the filter instead of a switch. */
async function encoderSize(client: ObsClient): Promise<Size | undefined> {
  if ((await profileParameter(client, 'Output', 'Mode')) !== 'Advanced') return undefined;
  const isOn = (await profileParameter(client, 'AdvOut', 'Rescale')) === 'true';
  const filter = Number(await profileParameter(client, 'AdvOut', 'RescaleFilter'));
  if (!isOn && !(filter > 0)) return undefined;
  return parseSize(await profileParameter(client, 'AdvOut', 'RescaleRes'));
}
