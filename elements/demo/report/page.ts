// report/index.html: one file that needs nothing else, from the figures of a demonstration.
import { chart, escapeMarkup } from './chart.ts';
import { schemes, type Crop, type DemoFigures, type Scheme } from './figures.ts';
import { style } from './style.ts';

const schemeLabels: Readonly<Record<Scheme, string>> = {
  bilinear: 'bilinear',
  bicubic: 'bicubic',
  generic: 'generic network',
  online: 'online',
};

/** Until then the encoder makes do with what the link carries of its first, whole picture. */
const encoderStartSeconds = 1;

function signed(db: number): string {
  return `${db < 0 ? '−' : '+'}${Math.abs(db).toFixed(2)}`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function figure(label: string, value: string, unit: string): string {
  return `<div><dt>${label}</dt><dd>${value} <small>${unit}</small></dd></div>`;
}

function headline({ last }: DemoFigures): string {
  const gain = last.meanPsnrDb.online - last.meanPsnrDb.bicubic;
  return gain >= 0
    ? `${signed(gain)} dB over bicubic after ${Math.round(last.fromSeconds)} seconds of learning`
    : `${signed(gain)} dB: the picture fell below bicubic`;
}

function keyFigures(figures: DemoFigures): string {
  const { first, last, observations, frames } = figures;
  const online = (part: typeof last, over: Scheme): string =>
    signed(part.meanPsnrDb.online - part.meanPsnrDb[over]);
  const latency = observations.at(-1)?.addedLatencyP99Ms ?? NaN;
  return (
    '<dl class="figures">' +
    figure('First ten seconds', online(first, 'bicubic'), 'dB over bicubic') +
    figure('Last ten seconds', online(last, 'bicubic'), 'dB over bicubic') +
    figure('Last ten seconds', online(last, 'bilinear'), 'dB over bilinear') +
    figure('Added latency', latency.toFixed(1), 'ms, 99th percentile') +
    figure('Video', mean(observations.map((o) => o.videoKbps)).toFixed(0), 'kbit/s') +
    figure('Patches', mean(observations.map((o) => o.patchKbps)).toFixed(0), 'kbit/s') +
    figure('Frames shown', String(frames.shown), `${frames.late} late`) +
    figure('Pace', mean(observations.map((o) => o.framesPerSecond)).toFixed(1), 'frames a second') +
    '</dl>'
  );
}

/** Mean over whole seconds: single frames differ by more than the schemes do. */
function perSecond(figures: DemoFigures, scheme: Scheme): [number, number][] {
  const seconds = new Map<number, number[]>();
  for (const { timeSeconds, psnrDb } of figures.samples) {
    const second = Math.floor(timeSeconds);
    seconds.set(second, [...(seconds.get(second) ?? []), psnrDb[scheme]]);
  }
  return [...seconds].map(([second, values]) => [second + 0.5, mean(values)]);
}

function qualityChart(figures: DemoFigures): string {
  return chart({
    title: 'Luma PSNR over time of each scheme',
    xUnit: 's',
    yUnit: 'dB',
    height: 340,
    scaleFromX: encoderStartSeconds,
    series: schemes.map((name) => ({
      name,
      label: schemeLabels[name],
      points: perSecond(figures, name),
    })),
  });
}

function gainChart(figures: DemoFigures): string {
  const bicubic = new Map(perSecond(figures, 'bicubic'));
  return chart({
    title: 'Gain over bicubic of the same decoded frames',
    xUnit: 's',
    yUnit: 'dB',
    height: 240,
    fromZero: true,
    series: (['generic', 'online'] as const).map((name) => ({
      name,
      label: schemeLabels[name],
      points: perSecond(figures, name).map(([x, y]) => [x, y - (bicubic.get(x) ?? NaN)] as const),
    })),
  });
}

function bitrateChart({ observations }: DemoFigures): string {
  return chart({
    title: 'Bit rates of video and patches',
    xUnit: 's',
    yUnit: 'kbit/s',
    kind: 'stacked',
    height: 240,
    series: [
      {
        name: 'video',
        label: 'video',
        points: observations.map((o) => [o.timeSeconds, o.videoKbps] as const),
      },
      {
        name: 'patches',
        label: 'patches',
        points: observations.map((o) => [o.timeSeconds, o.patchKbps] as const),
      },
    ],
  });
}

function latencyChart({ observations }: DemoFigures): string {
  return chart({
    title: 'Latency that srenhancer adds',
    xUnit: 's',
    yUnit: 'ms',
    height: 220,
    fromZero: true,
    series: [
      {
        name: 'latency',
        label: 'mean',
        points: observations.map((o) => [o.timeSeconds, o.addedLatencyMs] as const),
      },
      {
        name: 'latency-p99',
        label: '99th percentile',
        points: observations.map((o) => [o.timeSeconds, o.addedLatencyP99Ms] as const),
      },
    ],
  });
}

function cropRow(crop: Crop): string {
  const picture = (source: string, name: string, note: string): string =>
    `<figure><img src="${source}" width="${crop.width}" height="${crop.height}" alt="${name}">` +
    `<figcaption><b>${name}</b> ${note}</figcaption></figure>`;
  return (
    '<div class="crop">' +
    picture(crop.source, 'source', `${crop.timeSeconds.toFixed(1)} s, at ${crop.x}, ${crop.y}`) +
    picture(crop.bicubic, 'bicubic', `${crop.bicubicPsnrDb.toFixed(1)} dB here`) +
    picture(crop.online, 'online', `${crop.onlinePsnrDb.toFixed(1)} dB here`) +
    '</div>'
  );
}

function schemeTable({ first, last, whole }: DemoFigures): string {
  const parts = [first, last, whole];
  const heads = parts.map(
    ({ fromSeconds, toSeconds }) => `<th>${fromSeconds.toFixed(0)}–${toSeconds.toFixed(0)} s</th>`,
  );
  const rows = schemes.map(
    (name) =>
      `<tr class="${name}"><th>${schemeLabels[name]}</th>` +
      parts.map(({ meanPsnrDb }) => `<td>${meanPsnrDb[name].toFixed(2)}</td>`).join('') +
      `<td>${signed(last.meanPsnrDb[name] - last.meanPsnrDb.bicubic)}</td></tr>`,
  );
  return (
    '<div class="scroll"><table><thead><tr><th>Mean luma PSNR, dB</th>' +
    `${heads.join('')}<th>over bicubic, last ten seconds</th></tr></thead>` +
    `<tbody>${rows.join('')}</tbody></table></div>`
  );
}

function restarts(count: number): string {
  if (count === 0) return 'The engine ran through.';
  return count === 1 ? 'The engine was restarted once.' : `The engine was restarted ${count} times.`;
}

export function reportPage(figures: DemoFigures): string {
  const { width, height, scale, seconds, machine, pipelines, samples } = figures;
  const sent = `${Math.ceil(width / scale)} × ${Math.ceil(height / scale)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>livesr: ${escapeMarkup(figures.clip)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${headline(figures)}</h1>
<p class="lead">${escapeMarkup(figures.clip)}, ${width} × ${height} at ${Number(figures.framesPerSecond.toFixed(2))} frames a second,
went as ${sent} over SRT with ${figures.uplinkKbps} kbit/s in all. The receiver brought every frame back to full size with a network
that it trained on the sender’s patches while the stream ran, ${seconds} seconds long.</p>
${keyFigures(figures)}

<h2>Quality over time</h2>
<figure>${qualityChart(figures)}
<figcaption>Luma PSNR against the source, means of whole seconds over ${samples.length} recorded frames.
All four schemes work on the very same decoded frames. The first second, when the encoder’s first
picture has to fit the link, may lie below the scale.</figcaption></figure>
<figure>${gainChart(figures)}
<figcaption>The same as gain over bicubic.</figcaption></figure>
${schemeTable(figures)}

<h2>Where it shows</h2>
<p class="note">The places of greatest gain over bicubic in the last third of the stream, enlarged.</p>
${figures.crops.map(cropRow).join('\n')}

<h2>Bit rates</h2>
<figure>${bitrateChart(figures)}
<figcaption>What the sender put on the link, without the transport’s own overhead.</figcaption></figure>

<h2>Latency</h2>
<figure>${latencyChart(figures)}
<figcaption>From a decoded frame’s entry into srenhancer to its exit, over the last 300 frames.
SRT’s own latency comes on top.</figcaption></figure>

<h2>How it was run</h2>
<p>${escapeMarkup(machine.cpu)}, ${machine.cores} cores, kernels for ${escapeMarkup(machine.kernels)}.
${restarts(figures.engineRestarts)}</p>
<pre>${escapeMarkup(pipelines.sender)}</pre>
<pre>${escapeMarkup(pipelines.server)}</pre>
<p class="note">The generic network is the one that the stream starts with. Bilinear, bicubic and generic were computed
after the run from the recorded frames. For a comparison at equal bits, where the plain schemes spend the
patches’ share on video, run <code>livesr eval</code>.</p>
</main>
</body>
</html>
`;
}
