// What the controller knows, for the dock, the terminal and the tests.
import type { Finding } from './checks.ts';
import type { ScriptStatus } from './script-channel.ts';
import type { PathReading } from './stream-path.ts';

export interface ControllerState {
  readonly obs: {
    readonly connected: boolean;
    readonly reason: string;
    /** obs-websocket's close code, where it gave one. */
    readonly code: number | undefined;
  };
  readonly script: {
    readonly status: ScriptStatus | undefined;
    /** Empty: none. */
    readonly problem: string;
  };
  readonly relay: RelayState;
  /** As the server last told; undefined: it has not. */
  readonly training: TrainingState | undefined;
  readonly wishes: Wishes;
  /** What in OBS's set-up is in the way. */
  readonly warnings: readonly Finding[];
}

export interface RelayState extends PathReading {
  readonly isRunning: boolean;
}

export interface TrainingState {
  readonly state: string;
  readonly gainDb: number | null;
  readonly genericGainDb: number | null;
}

/** What the dock asks for; what it does not mention is the script's. */
export interface Wishes {
  readonly on?: boolean;
  readonly capKbps?: number;
  readonly minKbps?: number;
  /** Percent of the cap, or as scheduled. */
  readonly patchShare?: number | 'auto';
  readonly streamClass?: string;
}

export const initialState: ControllerState = {
  obs: { connected: false, reason: 'not connected yet', code: undefined },
  script: { status: undefined, problem: '' },
  relay: {
    problem: '',
    isRunning: false,
    isCarrying: false,
    capacityBps: 0,
    videoBps: 0,
    patchBps: 0,
    patchBytes: 0,
    patches: 0,
    sentBytes: 0,
    rttMs: 0,
    lost: 0,
    match: undefined,
    isCalibrated: false,
  },
  training: undefined,
  wishes: {},
  warnings: [],
};
