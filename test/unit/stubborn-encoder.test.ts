// A real encoder that does not listen: what people are told, and what becomes of the patches.
import { expect, test } from 'vitest';
import type { BusMessage } from '../../elements/measure/pipeline-messages.ts';
import { runPipeline } from '../../elements/measure/pipeline.ts';

async function messagesOf(encoder: string): Promise<readonly BusMessage[]> {
  const messages: BusMessage[] = [];
  await runPipeline({
    name: 'the sender',
    launch:
      'videotestsrc pattern=snow num-buffers=300 ! video/x-raw,width=480,height=480,framerate=25/1 ! ' +
      `patchsender name=sender scale=2 uplink=fixed:600 max-bitrate=600000 patch-bitrate=50000 lockstep=true encoder="${encoder}" ` +
      '! fakesink',
    onMessage: (message) => messages.push(message),
  });
  return messages;
}

const common = 'x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max=60';
const patchRates = (messages: readonly BusMessage[]): number[] =>
  messages
    .filter(({ name }) => name === 'livesr-plan')
    .map(({ fields }) => Number(fields['patch-bitrate-bps']));

test('an encoder that ignores its rate is named once, with a remedy, and patches give way', async () => {
  const messages = await messagesOf(`${common} pass=quant quantizer=20`);
  const [warning, ...others] = messages.filter(({ name }) => name === 'livesr-warning');
  expect(others).toEqual([]);
  expect(warning?.fields.cause).toMatch(/The encoder gives \d+ kbit\/s where it was asked for \d+/);
  expect(warning?.fields.remedy).toContain('constant bit rate');
  expect(patchRates(messages)[0]).toBe(50_000);
  expect(patchRates(messages).at(-1)).toBe(0);
});

test('nothing is said of one that follows', async () => {
  const messages = await messagesOf(`${common} vbv-buf-capacity=250`);
  expect(messages.filter(({ name }) => name === 'livesr-warning')).toEqual([]);
  expect(patchRates(messages).at(-1)).toBe(50_000);
});
