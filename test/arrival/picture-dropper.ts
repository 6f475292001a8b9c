// A relay that loses every 50th coded picture of H.264, as one does that has too little time or room.
import type { BusMessage } from '../../elements/measure/pipeline-messages.ts';
import { warningOf } from '../../elements/measure/warning.ts';
import { Pipeline } from '../../elements/measure/pipeline.ts';
import type { Running } from './programs.ts';

const every = 50;
const headerBytes = 62;
const bufferType = 1;
const capsType = 2;
const segmentType = 70;
/** GStreamer 1.22 does not read all events that it writes: tags, for one. */
const isNeeded = (type: number): boolean =>
  type === bufferType || type === capsType || (type - 64) >> 8 === segmentType;
const sliceTypes = [1, 5];

/** Whether any slice of an access unit in start codes may be referred to (nal_ref_idc). */
function isReferred(unit: Uint8Array): boolean {
  for (let at = 0; at + 3 < unit.length; at++) {
    if (unit[at] !== 0 || unit[at + 1] !== 0 || unit[at + 2] !== 1) continue;
    const head = unit[at + 3] ?? 0;
    if (sliceTypes.includes(head & 31)) return head >> 5 !== 0;
  }
  return true;
}

export class PictureDropper implements Running {
  readonly said: string[] = [];
  readonly #from: Pipeline;
  readonly #to: Pipeline;
  readonly #which: 'any' | 'unreferenced';
  #kept = Buffer.alloc(0);
  #pictures = 0;
  #dropped = 0;

  constructor(from: string, to: string, which: 'any' | 'unreferenced') {
    this.#which = which;
    const onMessage = (message: BusMessage): void => {
      const text = message.type === 'error' ? message.text : warningOf(message);
      if (text != null) this.said.push(text);
    };
    this.#to = new Pipeline({
      name: 'the second half of the relay',
      pipes: true,
      onMessage,
      launch: `fdsrc fd=0 ! gdpdepay ! h264parse ! livesrmux ! srtsink uri="${to}?mode=caller"`,
    });
    this.#from = new Pipeline({
      name: 'the first half of the relay',
      pipes: true,
      onMessage,
      launch:
        `srtsrc uri="${from}?mode=listener" keep-listening=true ! livesrdemux name=demux ` +
        'demux.video ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ' +
        '! gdppay ! fdsink fd=1',
    });
    this.#from.output?.on('data', (chunk: Buffer) => {
      this.#pass(chunk);
    });
  }

  async stop(): Promise<void> {
    this.said.push(`${this.#dropped} of ${this.#pictures} pictures dropped`);
    await this.#from.stop();
    await this.#to.stop();
  }

  /** Whole packets of the GStreamer Data Protocol. */
  #pass(chunk: Buffer): void {
    this.#kept = Buffer.concat([this.#kept, chunk]);
    while (this.#kept.length >= headerBytes) {
      const end = headerBytes + this.#kept.readUInt32BE(6);
      if (end > this.#kept.length) return;
      const packet = this.#kept.subarray(0, end);
      this.#kept = this.#kept.subarray(end);
      const type = packet.readUInt16BE(4);
      const isLost =
        !isNeeded(type) || (type === bufferType && this.#isLost(packet.subarray(headerBytes)));
      if (!isLost) this.#to.input?.write(packet);
    }
  }

  #isLost(unit: Uint8Array): boolean {
    this.#pictures++;
    const isDue = this.#pictures >= (this.#dropped + 1) * every;
    if (!isDue || (this.#which === 'unreferenced' && isReferred(unit))) return false;
    this.#dropped++;
    return true;
  }
}
