// Plays material in real time to an SRT listener, with what an attack adds. A process of its own: what
// floods, floods nobody's measurements.
import { setTimeout as delay } from 'node:timers/promises';
import { Pipeline } from '../../elements/measure/pipeline.ts';
import { crc32 } from './crc32.ts';
import { loadMaterial, type Material, type MaterialName } from './material.ts';
import { resealed, streamIdOf } from './packet.ts';
import { inFrontOfSlices } from './sei.ts';
import type { Frame, StreamAttack } from './stream-attack.ts';
import { ticksPerSecond } from './pes-time.ts';
import { retimed, TransportStreamWriter, withPayload, type Unit } from './transport-stream.ts';

/** Where the times of the transport begin. */
const firstTicks = 10 * ticksPerSecond;
/** The clock of the program runs so far ahead of the pictures' times. */
const clockLeadTicks = ticksPerSecond / 10;
const tablesEverySeconds = 0.1;
/** A PES packet has room for so many bytes of KLV. */
const maxKlvBytes = 65_000;
const residualMargin = 2;
/** Patches that travel on their own have no checksum of a picture that is not decoded. */
const noChecksum = 0;

interface Loaded {
  readonly material: Material;
  readonly pictures: readonly Unit[];
  /** KLV of the sender, by picture. */
  readonly packets: readonly (readonly Buffer[])[];
}

function load(name: MaterialName): Loaded {
  const material = loadMaterial(name);
  const { units, videoPid, klvPid } = material.recording;
  const pictures = units.filter(({ pid }) => pid === videoPid);
  const klv = units.filter(({ pid }) => pid === klvPid);
  const tolerance = ticksPerSecond / material.framesPerSecond / 2;
  const packets = pictures.map(({ pts = 0 }) =>
    klv.filter((unit) => Math.abs((unit.pts ?? 0) - pts) < tolerance).map(({ payload }) => payload),
  );
  return { material, pictures, packets };
}

/** The crop with its margin, the picture's edge replicated. */
function checksum(
  { luma, width, height }: Material,
  picture: number,
  area: { x: number; y: number; width: number; height: number },
): number {
  if (luma.length === 0) return noChecksum;
  const clamp = (value: number, most: number): number => Math.max(0, Math.min(most, value));
  const columns = area.width + 2 * residualMargin;
  const rows = Array.from({ length: area.height + 2 * residualMargin }, (_, row) => {
    const y = clamp(area.y - residualMargin + row, height - 1);
    const at = (picture * height + y) * width;
    return Uint8Array.from({ length: columns }, (_, column) => {
      return luma[at + clamp(area.x - residualMargin + column, width - 1)] ?? 0;
    });
  });
  return crc32(Buffer.concat(rows));
}

export interface PlayerOptions {
  readonly uri: string;
  readonly material: MaterialName;
  /** All materials that are played at any time. */
  readonly materials: readonly MaterialName[];
  readonly attack: () => StreamAttack;
  /** Whether the attack has begun. */
  readonly attacks: () => boolean;
  /** With each frame that the server should show. */
  readonly onShowable?: () => void;
}

/** Plays until it is killed. */
export class Player {
  readonly #options: PlayerOptions;
  readonly #writer = new TransportStreamWriter();
  readonly #loaded = new Map<MaterialName, Loaded>();
  readonly #checksums = new Map<string, number>();
  readonly #template: Unit;
  readonly #streamId: number;
  #sequence = 0;
  #attack: StreamAttack | undefined;
  #attacked = -1;
  #ticks = firstTicks;
  #tablesAtTicks = -Infinity;
  #playing: MaterialName;
  #picture = 0;

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.#playing = options.material;
    for (const name of [options.material, ...options.materials]) {
      if (!this.#loaded.has(name)) this.#loaded.set(name, load(name));
    }
    const own = this.#loaded.get(options.material);
    const template = own?.material.recording.units.find(
      ({ pid }) => pid === own.material.recording.klvPid,
    );
    const first = own?.packets.flat()[0];
    if (template === undefined || first === undefined) throw new Error('material without patches');
    this.#template = template;
    this.#streamId = streamIdOf(first);
  }

  async run(): Promise<void> {
    const pipeline = new Pipeline({
      name: 'the player',
      launch: `fdsrc fd=0 blocksize=1316 ! srtsink uri="${this.#options.uri}"`,
      pipes: true,
    });
    const startMs = performance.now();
    let dueSeconds = 0;
    for (let index = 0; ; index++) {
      await delay(Math.max(0, startMs + dueSeconds * 1000 - performance.now()));
      const { bytes, frameSeconds } = this.#frame(index, dueSeconds);
      pipeline.input?.write(bytes);
      dueSeconds += frameSeconds;
      if (!this.#options.attack().refused?.includes(this.#playing)) this.#options.onShowable?.();
    }
  }

  #frame(index: number, seconds: number): { bytes: Buffer; frameSeconds: number } {
    const attack = this.#options.attack();
    if (attack !== this.#attack) this.#attacked = -1;
    this.#attack = attack;
    if (this.#options.attacks()) this.#attacked++;
    const frame: Frame = {
      index,
      attacked: this.#attacked,
      seconds,
      timeNs: BigInt(Math.round(seconds * 1e9)),
      streamId: this.#streamId,
      checksumOf: (...area) => this.#checksum(area),
    };
    const active = this.#attacked >= 0;
    const playing = (active ? attack.plays?.(frame) : undefined) ?? this.#options.material;
    if (playing !== this.#playing) {
      this.#playing = playing;
      this.#picture = 0;
    }
    const { material, pictures } = this.#current();
    const picture = pictures[this.#picture % pictures.length];
    if (picture === undefined) throw new Error('material without pictures');
    this.#picture %= pictures.length;
    const ticks = this.#ticks + Math.round(attack.shiftTicks?.(frame) ?? 0);
    const pieces = this.#tables(ticks);
    const units = (active ? attack.units?.(frame) : undefined) ?? [];
    const shown =
      units.length === 0 ? picture : withPayload(picture, inFrontOfSlices(picture.payload, units));
    pieces.push(
      this.#writer.unit(retimed(shown, ticks - (shown.pts ?? 0)), ticks - clockLeadTicks),
    );
    const klvTicks = ticks + Math.round((active ? attack.klvShiftTicks?.(frame) : undefined) ?? 0);
    const triplets = [
      ...this.#ownPackets(frame, active),
      ...((active ? attack.packets?.(frame) : undefined) ?? []),
    ];
    for (const payload of gathered(triplets)) {
      const unit = withPayload(this.#template, payload);
      pieces.push(this.#writer.unit(retimed(unit, klvTicks - (unit.pts ?? 0))));
    }
    this.#picture++;
    const frameSeconds = 1 / material.framesPerSecond;
    this.#ticks += ticksPerSecond * frameSeconds;
    return { bytes: Buffer.concat(pieces), frameSeconds };
  }

  /** Each takes milliseconds, and pictures come again. */
  #checksum(area: readonly [number, number, number, number]): number {
    const key = [this.#playing, this.#picture, ...area].join();
    const [x, y, width, height] = area;
    const sum =
      this.#checksums.get(key) ??
      checksum(this.#current().material, this.#picture, { x, y, width, height });
    this.#checksums.set(key, sum);
    return sum;
  }

  #current(): Loaded {
    const loaded = this.#loaded.get(this.#playing);
    if (loaded === undefined) throw new Error(`the attack does not name ${this.#playing}`);
    return loaded;
  }

  #tables(ticks: number): Buffer[] {
    if (Math.abs(ticks - this.#tablesAtTicks) < tablesEverySeconds * ticksPerSecond) return [];
    this.#tablesAtTicks = ticks;
    // Always those with patches, so that the streams stay the same ones.
    const tables = this.#loaded.get(this.#options.material)?.material.recording.tables ?? [];
    return tables.map((packet) => this.#writer.table(packet));
  }

  #ownPackets(frame: Frame, active: boolean): Buffer[] {
    const runningTimeNs =
      (active ? this.#attack?.headerTimeNs?.(frame) : undefined) ?? frame.timeNs;
    return (this.#current().packets[this.#picture] ?? []).map((packet) =>
      resealed(packet, { sequence: this.#sequence++, runningTimeNs }),
    );
  }
}

/** As many triplets in one buffer as have room. */
function gathered(triplets: readonly Uint8Array[]): Buffer[] {
  const buffers: Uint8Array[][] = [];
  let bytes = Infinity;
  for (const triplet of triplets) {
    if (bytes + triplet.length > maxKlvBytes) {
      buffers.push([]);
      bytes = 0;
    }
    buffers.at(-1)?.push(triplet);
    bytes += triplet.length;
  }
  return buffers.map((parts) => Buffer.concat(parts));
}
