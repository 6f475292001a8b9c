// What a pipeline process and its parent say to each other over Node's IPC channel.

/** A bus message, as gstreamer-superficial gives it: structure fields stand beside these. */
export interface BusMessage {
  /** GStreamer's name of the message type: "eos", "error", "element", "state-changed" … */
  readonly type: string;
  /** Element that posted it. */
  readonly source: string;
  /** Structure name, null without a structure; of an error the path of the element. */
  readonly name: string | null;
  /** Text of an error, null for others; of warnings see warning.ts. */
  readonly text: string | null;
  /** Structure fields; 64-bit integers, fractions and nested structures come as strings. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export type FromPipeline =
  | { readonly kind: 'bus'; readonly message: BusMessage }
  | { readonly kind: 'value'; readonly id: number; readonly value: unknown };

export type ToPipeline =
  /** First of all, and once. A launch line may hold secrets: a command line would show them to everybody. */
  | { readonly kind: 'launch'; readonly launch: string; readonly paused: boolean }
  /** Lets a pipeline that was launched paused run. */
  | { readonly kind: 'play' }
  | {
      readonly kind: 'get';
      readonly id: number;
      readonly element: string;
      readonly property: string;
    }
  | {
      readonly kind: 'set';
      readonly element: string;
      readonly property: string;
      readonly value: string | number | boolean;
    }
  | { readonly kind: 'eos' }
  | { readonly kind: 'stop' };
