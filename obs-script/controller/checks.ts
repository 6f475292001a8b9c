// What in OBS's set-up keeps livesr from working, and how it is mended. Rules are pure; gathering the
// facts is below them.
import { withoutSecrets } from '../../elements/feedback/shown-uri.ts';
import { ObsError, wrongPassword, type ObsClient } from './obs-client.ts';
import type { WebSocketConfig } from './obs-config.ts';
import type { Answer } from './script-channel.ts';
import { profileParameter, readStreamFormat, type StreamFormat } from './stream-format.ts';

export interface Finding {
  readonly cause: string;
  readonly remedy: string;
}

/** Why OBS was not reached. */
export function connectionFinding(
  error: { readonly message: string; readonly code: number | undefined },
  url: string,
  config: WebSocketConfig | undefined,
): Finding {
  if (error.code === wrongPassword) {
    return {
      cause: "OBS's websocket server refuses the password.",
      remedy:
        'Tools > WebSocket Server Settings > Show Connect Info has it. Give it in LIVESR_OBS_PASSWORD, ' +
        'or leave it out where OBS runs on this machine as you.',
    };
  }
  if (config && !config.enabled) {
    return {
      cause: "OBS's websocket server is switched off.",
      remedy: 'Tools > WebSocket Server Settings > Enable WebSocket server.',
    };
  }
  return {
    cause: `OBS is not reached at ${url} (${error.message}).`,
    remedy:
      'Start OBS; in Tools > WebSocket Server Settings the server must be enabled, with this port.',
  };
}

export interface ObsFacts {
  readonly format: StreamFormat;
  readonly isAdvancedOutput: boolean;
  readonly isDynamicBitrate: boolean;
  /** Of the profile: obs_x264, say; empty when it is not known. */
  readonly encoder: string;
  /** Where OBS streams to. */
  readonly server: string;
  readonly relayPort: number;
  readonly answer: Answer;
}

export function findings(facts: ObsFacts): Finding[] {
  return [
    scriptFinding(facts.answer),
    serverFinding(facts.answer),
    targetFinding(facts),
    sizeFinding(facts.format),
    canvasFinding(facts),
    dynamicFinding(facts),
    encoderFinding(facts),
  ].filter((finding) => finding !== undefined);
}

function scriptFinding(answer: Answer): Finding | undefined {
  if (answer.kind === 'absent') {
    return {
      cause: 'The script livesr.lua is not loaded in OBS.',
      remedy: 'Tools > Scripts > +, and choose livesr.lua. Scripts belong to a scene collection.',
    };
  }
  if (answer.kind === 'foreign') {
    return { cause: `The script does not answer as it should: ${answer.reason}.`, remedy: '' };
  }
  if (!answer.status.enabled) {
    return {
      cause: 'livesr is switched off in its script.',
      remedy: 'Tools > Scripts > livesr.lua > On, or its hotkey. OBS streams as you have set it.',
    };
  }
  return undefined;
}

function serverFinding(answer: Answer): Finding | undefined {
  if (answer.kind !== 'status') return undefined;
  const { server, feedback, mode, token, carriage } = answer.status;
  const isRtmp = /^rtmps?:\/\/[^/?\s]+\/[^/?\s]+/.test(server);
  if (mode === 'relay' && !isRtmp && !/^srt:\/\/[^/?\s]+:\d+/.test(server)) {
    return {
      cause:
        server === ''
          ? 'The script has no server address.'
          : `The script's server address "${withoutSecrets(server)}" is none of SRT or RTMP.`,
      remedy:
        'Tools > Scripts > livesr.lua > Server: srt://HOST:PORT, rtmp://HOST/APP or rtmps://HOST/APP.',
    };
  }
  if (mode === 'relay' && isRtmp && carriage === 'klv') {
    return {
      cause: 'Patches are to travel as a track of their own, and RTMP has no such track.',
      remedy: 'Tools > Scripts > livesr.lua > Patches travel: Inside the video.',
    };
  }
  if (mode === 'direct' && (feedback === '' || token === '')) {
    return {
      cause:
        'Patches go over the feedback channel, and the script has no address or no token for it.',
      remedy:
        'Tools > Scripts > livesr.lua > Feedback: ws://HOST:PORT or wss://HOST:PORT, and Token: ' +
        "srenhancer's feedback-listen and token.",
    };
  }
  if (feedback !== '' && !/^wss?:\/\/[^/\s]+/.test(feedback)) {
    return {
      cause: `The script's feedback address "${withoutSecrets(feedback)}" is none of a websocket.`,
      remedy: 'Tools > Scripts > livesr.lua > Feedback address: ws://HOST:PORT or wss://HOST:PORT.',
    };
  }
  return undefined;
}

function targetFinding({ server, relayPort, answer }: ObsFacts): Finding | undefined {
  const [, host, port] = /^srt:\/\/([^:/?]+):(\d+)/.exec(server) ?? [];
  const isLocal = host === '127.0.0.1' || host === 'localhost';
  const isRelay = isLocal && Number(port) === relayPort;
  if (answer.kind === 'status' && answer.status.mode === 'direct') {
    if (server !== '' && !isRelay) return undefined;
    return {
      cause:
        server === ''
          ? 'OBS has no server to stream to.'
          : "OBS streams to the relay's address, and the script's Route is direct.",
      remedy:
        "Settings > Stream: the server's own address; or Tools > Scripts > livesr.lua > Route: relay (SRT).",
    };
  }
  if (isRelay) return undefined;
  return {
    cause: `OBS streams to ${server === '' ? 'nowhere' : withoutKey(server)}, not to the relay.`,
    remedy: `Settings > Stream: service Custom, server srt://127.0.0.1:${relayPort}, no stream key.`,
  };
}

/** What comes after ? may be secret. */
const withoutKey = (server: string): string => server.replace(/\?.*$/, '');

function sizeFinding({ canvas, stream, scale }: StreamFormat): Finding | undefined {
  if (scale !== undefined && scale > 1) return undefined;
  const size = `${stream.width}x${stream.height}`;
  const half = `${2 * Math.ceil(canvas.width / 4)}x${2 * Math.ceil(canvas.height / 4)}`;
  return {
    cause:
      scale === 1
        ? `The stream has the canvas' size (${size}): there is nothing to add by patches.`
        : `The stream's size ${size} is not two thirds, half, a third or a quarter of the canvas.`,
    remedy: `Settings > Video > Output (Scaled) Resolution: ${half}, the canvas staying ${canvas.width}x${canvas.height}.`,
  };
}

/** Only the script's frames have a time by which the server finds where they belong. */
function canvasFinding({ answer }: ObsFacts): Finding | undefined {
  if (answer.kind !== 'status' || answer.status.mode !== 'direct') return undefined;
  if (answer.status.canvasProblem === '') return undefined;
  return {
    cause: `There are no patches: the script cannot hand over frames (${answer.status.canvasProblem}).`,
    remedy: 'Tools > Scripts > livesr.lua > Route: relay (SRT).',
  };
}

function dynamicFinding({ isDynamicBitrate }: ObsFacts): Finding | undefined {
  if (!isDynamicBitrate) return undefined;
  return {
    cause: "OBS changes the bit rate by itself, against livesr's.",
    remedy: 'Settings > Advanced > Network > Dynamically change bitrate to manage congestion: off.',
  };
}

function encoderFinding({ encoder, answer }: ObsFacts): Finding | undefined {
  if (answer.kind !== 'status') return undefined;
  const { status } = answer;
  if (status.problem !== '') {
    return { cause: status.problem, remedy: 'Settings > Output > Streaming.' };
  }
  const capable = status.capableEncoderIds.split(' ').filter((id) => id !== '');
  if (encoder === '' || capable.length === 0 || capable.includes(encoder)) return undefined;
  return {
    cause: `The encoder ${encoder} cannot change its bit rate while it streams, or is none of H.264.`,
    remedy: `Settings > Output > Streaming > Video Encoder: one of ${status.capableEncoderNames}.`,
  };
}

export async function gatherFacts(
  client: ObsClient,
  answer: Answer,
  relayPort: number,
): Promise<ObsFacts> {
  const isAdvancedOutput = (await profileParameter(client, 'Output', 'Mode')) === 'Advanced';
  const { streamServiceSettings } = await client.call('GetStreamServiceSettings');
  const server = (streamServiceSettings as { readonly server?: unknown }).server;
  return {
    format: await readStreamFormat(client),
    isAdvancedOutput,
    isDynamicBitrate: (await profileParameter(client, 'Output', 'DynamicBitrate')) === 'true',
    // Simple output has names of its own for them; there the stream's encoder tells when it runs.
    encoder: isAdvancedOutput ? await profileParameter(client, 'AdvOut', 'Encoder') : '',
    server: typeof server === 'string' ? server : '',
    relayPort,
    answer,
  };
}

export function asObsError(error: unknown): { message: string; code: number | undefined } {
  if (error instanceof ObsError) return error;
  return { message: error instanceof Error ? error.message : String(error), code: undefined };
}
