// Which fault happens when.
export type FaultKind = 'link cut' | 'engine killed' | 'engine stopped' | 'sender restarted';

export interface Rhythm {
  readonly firstSeconds: number;
  readonly everySeconds: number;
}

export interface Schedule {
  readonly seconds: number;
  readonly cutSeconds: number;
  readonly rhythms: Readonly<Record<FaultKind, Rhythm>>;
}

export interface Fault {
  readonly kind: FaultKind;
  readonly atSeconds: number;
  /** When it is over by itself; recovery counts from there. */
  readonly endSeconds: number;
}

const everyMinutes = (minutes: number): Rhythm => ({
  firstSeconds: minutes * 60,
  everySeconds: minutes * 60,
});

export function longSchedule(minutes: number): Schedule {
  return {
    seconds: minutes * 60,
    cutSeconds: 10,
    rhythms: {
      'link cut': everyMinutes(5),
      'engine killed': everyMinutes(7),
      'engine stopped': everyMinutes(11),
      'sender restarted': everyMinutes(13),
    },
  };
}

/** Each fault once, for continuous integration. */
export function shortSchedule(): Schedule {
  const once = (firstSeconds: number): Rhythm => ({ firstSeconds, everySeconds: 3600 });
  return {
    seconds: 76,
    cutSeconds: 6,
    rhythms: {
      'engine killed': once(3),
      'engine stopped': once(16),
      'link cut': once(32),
      'sender restarted': once(54),
    },
  };
}

/** In their order; none so late that there is no time to recover. */
export function faultsOf(schedule: Schedule, recoverySeconds: number): Fault[] {
  const faults: Fault[] = [];
  for (const [kind, { firstSeconds, everySeconds }] of Object.entries(schedule.rhythms)) {
    for (let at = firstSeconds; at + recoverySeconds <= schedule.seconds; at += everySeconds) {
      const lasts = kind === 'link cut' ? schedule.cutSeconds : 0;
      faults.push({ kind: kind as FaultKind, atSeconds: at, endSeconds: at + lasts });
    }
  }
  return faults.sort((a, b) => a.atSeconds - b.atSeconds);
}
