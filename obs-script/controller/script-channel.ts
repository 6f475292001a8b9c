// The controller's way to the script: the settings of an input that the script registers. What is
// written there reaches the script at once, and the script's answer is read from the same settings
// (docs/protocol.md). Anybody with the websocket's password can write there as well, so answers are
// checked like anything else from outside.
import { z } from 'zod';
import type { ObsClient } from './obs-client.ts';

export const controlKind = 'livesr_control';
export const controlProtocol = 1;

const text = (most: number) => z.string().max(most);
const count = z.int().min(0).max(1e9);

export const scriptStatus = z.object({
  protocol: z.literal(controlProtocol),
  scriptVersion: text(64),
  enabled: z.boolean(),
  /** Which way the stream and its patches go; a script that does not say knows the relay alone. */
  mode: z.enum(['relay', 'direct']).catch('relay'),
  server: text(1024),
  feedback: text(1024),
  streamKey: text(256),
  token: text(1024),
  /** Of SRT, for the relay; a script that does not say knows none. */
  passphrase: text(79).default(''),
  /** Of the relay's patches. */
  carriage: z.enum(['auto', 'klv']).catch('auto'),
  capKbps: z.number().min(1).max(1e6),
  minKbps: z.number().min(1).max(1e6),
  streamClass: text(64),
  patchQuality: z.enum(['auto', 'fine', 'coarse']).catch('auto'),
  streaming: z.boolean(),
  stopAsked: z.boolean(),
  encoder: text(128),
  encoderName: text(256),
  encoderCodec: text(64),
  encoderCanChange: z.boolean(),
  rateControl: text(64),
  encoderWidth: count.max(32_768),
  encoderHeight: count.max(32_768),
  bitrateKbps: count,
  /** Of the sound; a script that does not report it counts as silent. */
  audioKbps: count.catch(0),
  originalKbps: count,
  changes: count,
  /** Of H.264, that can change their bit rate live; ids apart by spaces. */
  capableEncoderIds: text(4096),
  capableEncoderNames: text(4096),
  problem: text(2048),
  note: text(2048),
  canvasFile: text(4096),
  canvasProblem: text(4096),
  canvasGrabbed: count,
  /** CPU time within OBS since the script was loaded: all but grabs, and grabs. */
  scriptMs: count.catch(0),
  grabsMs: count.catch(0),
});
export type ScriptStatus = z.infer<typeof scriptStatus>;

/** What the controller would have; the script stays within its properties. */
export interface Wish {
  /** 0: what the streamer has set. */
  readonly bitrateKbps: number;
  readonly grabsPerSecond: number;
  /** The dock's address, for the script's dialog. */
  readonly dock: string;
}

export type Answer =
  | { readonly kind: 'status'; readonly status: ScriptStatus }
  /** No input of our kind: the script is not loaded. */
  | { readonly kind: 'absent' }
  /** There is one, and it does not speak as this controller does. */
  | { readonly kind: 'foreign'; readonly reason: string };

/** Reads what stands in the input's settings after a wish with this sequence. */
export function readAnswer(
  settings: Readonly<Record<string, unknown>>,
  session: unknown,
  sequence: unknown,
): Answer {
  const protocol = settings.ackProtocol;
  if (protocol === undefined) {
    return { kind: 'foreign', reason: 'the script does not answer: reload it in Tools > Scripts' };
  }
  if (protocol !== controlProtocol) {
    return {
      kind: 'foreign',
      reason: `the script speaks version ${JSON.stringify(protocol)}, this controller ${controlProtocol}: install both from the same release`,
    };
  }
  if (settings.ackSession !== session || settings.ackSequence !== sequence) {
    return {
      kind: 'foreign',
      reason: 'another controller is talking to the script: end one of them',
    };
  }
  let value: unknown;
  try {
    value = JSON.parse(String(settings.status));
  } catch {
    return { kind: 'foreign', reason: 'the script answered what is no JSON' };
  }
  const parsed = scriptStatus.safeParse(value);
  if (parsed.success) return { kind: 'status', status: parsed.data };
  return { kind: 'foreign', reason: `the script answered oddly: ${z.prettifyError(parsed.error)}` };
}

/** Given to the controller itself, and counts instead of what the script has. */
export type OwnSecrets = Partial<Pick<ScriptStatus, 'token' | 'streamKey' | 'passphrase'>>;

export class ScriptChannel {
  readonly #client: ObsClient;
  /** Of this run of the controller: the script takes no older wish of it. */
  readonly #session: string;
  readonly #own: OwnSecrets;
  #sequence = 0;
  #inputName: string | undefined;

  constructor(client: ObsClient, session: string, own: OwnSecrets = {}) {
    this.#client = client;
    this.#session = session;
    this.#own = own;
  }

  async exchange(wish: Wish): Promise<Answer> {
    const inputName = this.#inputName ?? (await this.#find());
    if (inputName === undefined) return { kind: 'absent' };
    const sequence = ++this.#sequence;
    try {
      await this.#client.call('SetInputSettings', {
        inputName,
        inputSettings: { protocol: controlProtocol, session: this.#session, sequence, ...wish },
      });
      const { inputSettings } = await this.#client.call('GetInputSettings', { inputName });
      return this.#withOwn(readAnswer(inputSettings, this.#session, sequence));
    } catch (error) {
      // Another scene collection may have another one, or none.
      this.#inputName = undefined;
      if (this.#client.isClosed) throw error;
      return { kind: 'absent' };
    }
  }

  /** What the script says without being told anything: another controller may be at work. */
  async look(): Promise<Answer> {
    const inputName = await this.#find();
    if (inputName === undefined) return { kind: 'absent' };
    // An empty wish has no version, which the script answers and does not act upon.
    await this.#client.call('SetInputSettings', { inputName, inputSettings: { protocol: 0 } });
    const { inputSettings } = await this.#client.call('GetInputSettings', { inputName });
    const { ackSession, ackSequence } = inputSettings;
    return this.#withOwn(readAnswer(inputSettings, ackSession, ackSequence));
  }

  #withOwn(answer: Answer): Answer {
    if (answer.kind !== 'status') return answer;
    return { ...answer, status: { ...answer.status, ...this.#own } };
  }

  async #find(): Promise<string | undefined> {
    const { inputs } = await this.#client.call('GetInputList', { inputKind: controlKind });
    const name = inputs[0]?.inputName;
    this.#inputName = typeof name === 'string' ? name : undefined;
    return this.#inputName;
  }
}
