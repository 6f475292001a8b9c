// The dock's page: shows what the server of the dock tells each second, and sends what is set here.
const element = (id) => document.getElementById(id);
const kbps = (bps) => Math.round(bps / 1000).toLocaleString('en');
const signed = (db) => (db >= 0 ? '+' : '−') + Math.abs(db).toFixed(2);
const [fewestSeconds, mostSeconds] = [60, 300];

let points = [];

function statusText({ obs, carrying, calibrated, on }) {
  if (!obs.connected) return 'OBS is not reached';
  if (!carrying) return 'Waiting for the stream';
  if (!on) return 'Live, livesr is off';
  return calibrated ? 'Live' : 'Live, looking for the canvas in the stream';
}

const stateSentences = {
  waiting: 'The server waits for patches.',
  training: 'The server is learning from your stream.',
  suspended: 'The server has learned what there is, for now.',
  off: 'The server does not train.',
};

function gainText({ training, sessionGainDb, worthPercent }) {
  if (!training) return 'No figures from the server yet.';
  const parts = [];
  if (worthPercent !== null) {
    const most = worthPercent >= 300 ? 'more than' : 'about';
    parts.push(`Worth ${most} ${worthPercent} % more uplink.`);
  }
  if (sessionGainDb !== null) parts.push(`This session: ${signed(sessionGainDb)} dB.`);
  parts.push(stateSentences[training.state] ?? '');
  return parts.join(' ');
}

function showWarnings(warnings) {
  const list = element('warnings');
  const items = warnings.map(({ cause, remedy }) => {
    const item = document.createElement('li');
    const what = document.createElement('strong');
    what.textContent = cause;
    item.append(what, remedy);
    return item;
  });
  // Read out when they change, not each second.
  if (list.textContent !== items.map((item) => item.textContent).join('')) {
    list.replaceChildren(...items);
  }
}

/** Not while the streamer is at it. */
function fill(id, value) {
  const field = element(id);
  if (field !== document.activeElement && field.value !== String(value)) field.value = value;
}

function show(state) {
  document.body.dataset.live = state.carrying && state.obs.connected ? 'yes' : 'no';
  element('status').textContent = statusText(state);
  showWarnings(state.warnings);
  const gainDb = state.training?.gainDb ?? null;
  element('gain').textContent = gainDb === null ? '–' : signed(gainDb);
  element('gain-text').textContent = gainText(state);
  element('capacity').textContent = state.carrying ? kbps(state.capacityBps) : '–';
  element('video').textContent = state.carrying ? kbps(state.videoBps) : '–';
  element('patches').textContent = state.carrying ? kbps(state.patchBps) : '–';
  element('details').textContent = state.carrying
    ? `${state.patches.toLocaleString('en')} patches sent · round trip ${Math.round(state.rttMs)} ms · ` +
      `${state.bitrateChanges} changes of the video's rate · your own: ${state.originalKbps} kbit/s`
    : '';
  element('on').checked = state.on;
  element('on').disabled = !state.scriptEnabled;
  const classes = element('class');
  if (classes.options.length === 0) {
    classes.replaceChildren(...state.streamClasses.map((name) => new Option(name, name)));
  }
  element('cap').max = state.capBoundKbps;
  element('cap').min = 200;
  element('min').min = 100;
  element('min').max = state.capKbps;
  element('cap-bound').textContent = `script: ${state.capBoundKbps}`;
  fill('cap', state.capKbps);
  fill('min', state.minKbps);
  fill('share', state.patchShare);
  fill('class', state.streamClass);
}

// --- charts --------------------------------------------------------------------------------------

function svg(name, attributes, text) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** 1, 2 or 5 times a power of ten, at least `value`. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-6)));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value * 0.999);
}

function draw(id, series, unit) {
  const chart = element(id);
  const { width, height } = chart.getBoundingClientRect();
  if (width === 0) return;
  const values = points.flatMap((point) => series.map(({ key }) => point[key] ?? 0));
  const top = roundUp(Math.max(unit, ...values));
  const bottom = Math.min(0, ...values) < 0 ? -roundUp(-Math.min(...values)) : 0;
  const [left, right, low, high] = [36, width - 4, height - 14, 6];
  const now = points.at(-1)?.atSeconds ?? 0;
  const shownSeconds = Math.min(
    mostSeconds,
    Math.max(fewestSeconds, now - (points[0]?.atSeconds ?? now)),
  );
  const x = (seconds) => right - ((now - seconds) / shownSeconds) * (right - left);
  const y = (value) => low - ((value - bottom) / (top - bottom)) * (low - high);
  const nodes = [];
  for (const value of new Set([bottom, 0, (top + bottom) / 2, top])) {
    nodes.push(svg('line', { class: 'grid', x1: left, x2: right, y1: y(value), y2: y(value) }));
    const label = Number(value.toFixed(2)).toLocaleString('en');
    nodes.push(svg('text', { x: left - 4, y: y(value) + 3, 'text-anchor': 'end' }, label));
  }
  nodes.push(
    svg(
      'text',
      { x: left, y: height - 2 },
      shownSeconds < 120
        ? `${Math.round(shownSeconds)} s ago`
        : `${Math.round(shownSeconds / 60)} min ago`,
    ),
  );
  nodes.push(svg('text', { x: right, y: height - 2, 'text-anchor': 'end' }, 'now'));
  for (const { key, colour, dashes } of series) {
    let path = '';
    let isDown = false;
    for (const point of points) {
      const value = point[key];
      if (value === null || now - point.atSeconds > shownSeconds) isDown = false;
      else {
        path += `${isDown ? 'L' : 'M'}${x(point.atSeconds).toFixed(1)} ${y(value).toFixed(1)}`;
        isDown = true;
      }
    }
    const line = svg('path', { class: 'series', d: path });
    line.style.stroke = `var(--${colour})`;
    if (dashes) line.style.strokeDasharray = '4 3';
    nodes.push(line);
  }
  chart.setAttribute('viewBox', `0 0 ${width} ${height}`);
  chart.replaceChildren(...nodes);
}

function drawAll() {
  draw('gain-chart', [{ key: 'gainDb', colour: 'gain' }], 0.5);
  draw(
    'rate-chart',
    [
      { key: 'capacityKbps', colour: 'capacity', dashes: true },
      { key: 'videoKbps', colour: 'video' },
      { key: 'patchKbps', colour: 'patches' },
    ],
    100,
  );
}

// --- to and from the controller ------------------------------------------------------------------

const source = new EventSource('state');
source.addEventListener('history', (event) => {
  points = JSON.parse(event.data);
  drawAll();
});
source.addEventListener('state', (event) => {
  const { point, ...state } = JSON.parse(event.data);
  if (point) points = [...points, point].slice(-2 * mostSeconds);
  show(state);
  drawAll();
});
source.addEventListener('error', () => {
  document.body.dataset.live = 'no';
  element('status').textContent = 'The controller is not reached: is livesr obs running?';
});

async function wish(wishes) {
  const answer = element('answer');
  try {
    const response = await fetch('wishes', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(wishes),
    });
    answer.textContent = response.ok ? '' : await response.text();
  } catch {
    answer.textContent = 'Not taken: the controller is not reached.';
  }
}

element('on').addEventListener('change', ({ target }) => wish({ on: target.checked }));
for (const [id, name] of [
  ['cap', 'capKbps'],
  ['min', 'minKbps'],
]) {
  element(id).addEventListener('change', ({ target }) => {
    if (target.reportValidity()) void wish({ [name]: Number(target.value) });
  });
}
element('share').addEventListener('change', ({ target: { value } }) =>
  wish({ patchShare: value === 'auto' ? value : Number(value) }),
);
element('class').addEventListener('change', ({ target }) => wish({ streamClass: target.value }));
element('form').addEventListener('submit', (event) => event.preventDefault());
addEventListener('resize', drawAll);
