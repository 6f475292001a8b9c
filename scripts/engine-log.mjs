// What an engine's log (report/engine.log of the demo) says of when things happened.

/** Seconds between two events; null where one of them is missing. */
export function secondsBetween(log, from, to) {
  const timeOf = (event) => {
    const line = log.split('\n').find((each) => each.includes(` ${event}`));
    return line === undefined ? NaN : Date.parse(line.split(' ')[0]);
  };
  const seconds = (timeOf(to) - timeOf(from)) / 1000;
  return Number.isFinite(seconds) ? seconds : null;
}
