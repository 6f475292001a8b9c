// Warnings of pipelines: of our elements with cause and remedy, of others as far as they come through.
import { expect, test } from 'vitest';
import type { BusMessage } from '../../elements/measure/pipeline-messages.ts';
import { Pipeline } from '../../elements/measure/pipeline.ts';
import { warningOf } from '../../elements/measure/warning.ts';

const message = (part: Partial<BusMessage>): BusMessage => ({
  type: 'element',
  source: 'enhancer0',
  name: null,
  text: null,
  fields: {},
  ...part,
});

test('a warning is its cause and its remedy, as sentences', () => {
  const warning = (cause: string, remedy: string) =>
    warningOf(message({ name: 'livesr-warning', fields: { cause, remedy } }));
  expect(warning('Nothing comes', 'Send something')).toBe('Nothing comes. Send something.');
  expect(warning('Nothing comes.', '')).toBe('Nothing comes.');
  expect(warningOf(message({ name: 'livesr-plan' }))).toBeUndefined();
});

test('a warning of an element of ours is read once, and one of another element as it comes', async () => {
  const warnings: string[] = [];
  const pipeline = new Pipeline({
    name: 'the pipeline',
    launch:
      'videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=64,height=64 ' +
      '! srenhancer scale=4 training=off max-width=64 max-height=64 ! fakesink',

    onMessage: (heard) => {
      const warning = warningOf(heard);
      if (warning !== undefined) warnings.push(warning);
    },
  });
  await pipeline.done;
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(
    /^Pictures of 64x64 are refused: .*\. Raise max-width and max-height/,
  );
  const debug = '../gst/srt.c(7): write (): /GstPipeline:p/GstSRTSink:sink:\nTrying to reconnect';
  const foreign = message({ type: 'warning', source: 'sink', fields: { debug } });
  expect(warningOf(foreign)).toMatch(/^sink: .*Trying to reconnect$/);
});
