// The scheduler with the server's feedback in lockstep: sender and server in one pipeline, their
// engines connected as live ones are.
import { expect, test } from 'vitest';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { runPipeline } from '../../elements/measure/pipeline.ts';

async function plans(): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const feedback = `127.0.0.1:${await freeUdpPort()}`;
  const heard: Readonly<Record<string, unknown>>[] = [];
  await runPipeline({
    name: 'sender and server',
    launch:
      'videotestsrc pattern=zone-plate kx2=20 ky2=20 kt=1 num-buffers=300 ' +
      '! video/x-raw,format=I420,width=480,height=480,framerate=25/1 ' +
      '! patchsender name=sender carriage=klv scale=2 uplink=fixed:600 max-bitrate=600000 patch-bitrate=0 ' +
      `feedback-uri=ws://${feedback} stream-key=s lockstep=true ` +
      'sender.src ! queue ! h264parse ! avdec_h264 max-threads=1 ' +
      '! srenhancer name=enhancer scale=2 training-steps-per-second=20 stream-key=s ' +
      `feedback-listen=${feedback} lockstep=true ! fakesink sync=false async=false ` +
      'sender.patches ! queue ! enhancer.patches',
    onMessage: ({ name, fields }) => {
      if (name === 'livesr-plan') heard.push(fields);
    },
  });
  return heard;
}

test('what the server says of an epoch moves the plan one second after it, each time alike', async () => {
  const first = await plans();
  const told = first.filter((plan) => plan['gain-by-patches-db'] !== undefined);
  expect(told.length).toBeGreaterThan(0);
  expect([6e9, 11e9]).toContain(told[0]?.['media-time-ns']);
  expect(await plans()).toEqual(first);
}, 180_000);
