// The pictures that the demonstration clip is put together from: a street at dusk behind a game's
// head-up display. Drawn as SVG, with the kind of detail that a weak uplink loses and a network can
// learn: brickwork, foliage, small lettering, thin lines.
import { seededRandom } from '../patch-sender/random.ts';

export const frameWidth = 1280;
export const frameHeight = 720;

const font = 'font-family="DejaVu Sans"';
const mono = 'font-family="DejaVu Sans Mono"';

/** The same draws for the same seed: the clip is the same on every machine. */
function draws(seed: number) {
  const unit = seededRandom(seed);
  return {
    between: (low: number, high: number): number => low + (high - low) * unit(),
    whole: (low: number, high: number): number => low + Math.floor((high - low + 1) * unit()),
  };
}

function picture(width: number, body: string, definitions = '', height = frameHeight): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    `<defs>${definitions}</defs>${body}</svg>`
  );
}

/** Fine-grained noise laid over whatever it filters, kept within the shape. */
function grain(id: string, frequency: string, strength: number, seed: number): string {
  return (
    `<filter id="${id}" x="0" y="0" width="100%" height="100%">` +
    `<feTurbulence type="fractalNoise" baseFrequency="${frequency}" numOctaves="4" seed="${seed}" result="n"/>` +
    `<feColorMatrix in="n" values="${`0 0 0 0 0 `.repeat(3)}${strength} 0 0 0 ${-strength * 0.42}" result="d"/>` +
    '<feComposite in="d" in2="SourceAlpha" operator="in" result="m"/>' +
    '<feMerge><feMergeNode in="SourceGraphic"/><feMergeNode in="m"/></feMerge></filter>'
  );
}

export function sky(): string {
  const clouds =
    '<filter id="clouds" x="0" y="0" width="100%" height="100%">' +
    '<feTurbulence type="fractalNoise" baseFrequency="0.004 0.014" numOctaves="6" seed="11"/>' +
    '<feColorMatrix values="0 0 0 0 1  0 0 0 0 0.86  0 0 0 0 0.74  2.6 0 0 0 -1.15"/></filter>';
  return picture(
    frameWidth,
    `<rect width="100%" height="100%" fill="url(#dusk)"/>` +
      '<rect width="100%" height="480" filter="url(#clouds)" opacity="0.75"/>',
    '<linearGradient id="dusk" x2="0" y2="1"><stop offset="0" stop-color="#3d5a86"/>' +
      '<stop offset="0.45" stop-color="#c9a08a"/><stop offset="0.7" stop-color="#f0cf9c"/></linearGradient>' +
      clouds,
  );
}

export function mountains(width: number): string {
  const random = draws(5);
  const ridge = (base: number, height: number, step: number): string => {
    let y = base;
    const points = [`0,${frameHeight}`];
    for (let x = 0; x <= width + step; x += step) {
      y += random.between(-height, height) + (base - y) * 0.12;
      points.push(`${x.toFixed(0)},${y.toFixed(1)}`);
    }
    return [...points, `${width},${frameHeight}`].join(' ');
  };
  return picture(
    width,
    `<polygon points="${ridge(285, 26, 22)}" fill="#6b6f8c" filter="url(#rock)"/>` +
      `<polygon points="${ridge(345, 12, 7)}" fill="#4b5a52" filter="url(#wood)"/>`,
    grain('rock', '0.02 0.06', 1.6, 3) + grain('wood', '0.11 0.09', 2.4, 8),
  );
}

const shops = [
  ['BOOKS & MAPS', 'open daily 9 - 18, closed on holidays'],
  ['Café Meridian', 'espresso 2.40 · flat white 3.10 · cake 3.80'],
  ['RADIO REPAIR', 'valves, coils, capacitors, patience'],
  ['Fresh Bread', 'rye 3.20  wheat 2.90  spelt 3.60  rolls 0.45'],
  ['Hotel Aurora', 'rooms from 49 · ring the bell after 22:00'],
  ['BICYCLES', 'service in one hour, spares, tubes, lamps'],
  ['Garden Supply', 'seeds, tools, pots, lattice, twine, soil'],
  ['Typewriters', 'ribbons - new and used - we also sharpen'],
];

function wallPatterns(): string {
  const tones: [string, string, string][] = [
    ['#8a4b3a', '#9c5945', '#b9a08c'],
    ['#a58a64', '#b3986f', '#7d6a4f'],
    ['#6f7480', '#7c828e', '#585c66'],
    ['#b26a4c', '#a35f44', '#d8c4ac'],
  ];
  return tones
    .map(
      ([first, second, mortar], index) =>
        `<pattern id="wall${index}" width="24" height="14" patternUnits="userSpaceOnUse">` +
        `<rect width="24" height="14" fill="${mortar}"/>` +
        `<rect x="0.7" y="0.7" width="22.6" height="5.6" fill="${first}"/>` +
        `<rect x="-11.3" y="7.7" width="22.6" height="5.6" fill="${second}"/>` +
        `<rect x="12.7" y="7.7" width="22.6" height="5.6" fill="${second}"/></pattern>`,
    )
    .join('');
}

function sashWindow(x: number, y: number, lit: boolean): string {
  const glass = lit ? '#ffe2a0' : '#2b3745';
  const bars = [11, 22, 33].map((dx) => `M${x + dx} ${y}v58`).join('');
  return (
    `<rect x="${x - 4}" y="${y - 4}" width="52" height="66" fill="#e9e2d4"/>` +
    `<rect x="${x}" y="${y}" width="44" height="58" fill="${glass}"/>` +
    `<path d="${bars}M${x} ${y + 19}h44M${x} ${y + 38}h44" stroke="#d9d2c2" stroke-width="1.6"/>` +
    `<rect x="${x - 7}" y="${y + 62}" width="58" height="5" fill="#cfc6b4"/>`
  );
}

/** A row of houses with shop signs, 560 pixels above the street's edge at most. */
export function houses(width: number): string {
  const random = draws(17);
  const parts: string[] = [];
  for (let x = -30, house = 0; x < width; house++) {
    const w = random.whole(10, 15) * 24;
    const floors = random.whole(2, 4);
    const top = 560 - 130 - floors * 92;
    parts.push(
      `<rect x="${x}" y="${top}" width="${w}" height="${580 - top}" fill="url(#wall${house % 4})" filter="url(#weather)"/>`,
      `<rect x="${x - 5}" y="${top - 12}" width="${w + 10}" height="14" fill="#544a45"/>`,
    );
    for (let roof = x; roof < x + w; roof += 9) {
      parts.push(
        `<path d="M${roof} ${top - 12}v-9a4.5 4.5 0 0 1 9 0v9" fill="#7b3f35" stroke="#532a25"/>`,
      );
    }
    for (let floor = 0; floor < floors; floor++) {
      for (let column = x + 30; column + 56 < x + w; column += 78) {
        parts.push(sashWindow(column, top + 22 + floor * 92, random.between(0, 1) < 0.35));
      }
    }
    const [name = '', small = ''] = shops[house % shops.length] ?? [];
    const hue = random.whole(0, 359);
    parts.push(
      `<rect x="${x + 14}" y="446" width="${w - 28}" height="36" fill="hsl(${hue},45%,24%)"/>`,
      `<text x="${x + w / 2}" y="471" ${font} font-weight="bold" font-size="22" fill="#f6ecd2" text-anchor="middle">${name.replace('&', '&amp;')}</text>`,
      `<rect x="${x + 20}" y="486" width="${w - 40}" height="80" fill="#26323a"/>`,
      `<rect x="${x + 26}" y="540" width="${w - 52}" height="17" fill="#efe9da"/>`,
      `<text x="${x + w / 2}" y="552.5" ${font} font-size="11" fill="#22272b" text-anchor="middle">${small}</text>`,
    );
    for (let shelf = x + 30; shelf + 14 < x + w - 24; shelf += 15) {
      const tall = random.between(12, 40);
      parts.push(
        `<rect x="${shelf}" y="${536 - tall}" width="11" height="${tall}" fill="hsl(${random.whole(0, 359)},55%,${random.whole(35, 70)}%)"/>`,
        `<path d="M${shelf + 3} ${540 - tall}v${tall - 8}" stroke="#fff" stroke-opacity="0.7"/>`,
      );
    }
    x += w + random.whole(0, 1) * 46;
  }
  return picture(width, parts.join(''), wallPatterns() + grain('weather', '0.35 0.3', 1.1, 21));
}

/** Cobbles, kerb and tufts of grass: what is nearest, and moves fastest. */
export function street(width: number): string {
  const random = draws(23);
  const parts = [
    `<rect y="560" width="${width}" height="160" fill="#595550"/>`,
    `<rect y="560" width="${width}" height="12" fill="#8d8a84"/>`,
  ];
  for (let row = 0; row < 9; row++) {
    const h = 10 + row * 1.6;
    const y = 574 + row * 10 + row * row * 0.8;
    for (let x = -random.between(0, 20); x < width;) {
      const w = random.between(1.2, 1.9) * h;
      const tone = random.whole(88, 132);
      parts.push(
        `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(w - 1.6).toFixed(1)}" height="${(h - 1.4).toFixed(1)}" rx="3" fill="rgb(${tone},${tone - 4},${tone - 10})"/>`,
      );
      x += w;
    }
  }
  for (let x = 0; x < width; x += random.between(5, 60)) {
    const blades = Array.from({ length: 9 }, () => {
      const lean = random.between(-9, 9).toFixed(1);
      return `M${(x + random.between(-7, 7)).toFixed(1)} 574q0 -8 ${lean} -${random.between(9, 22).toFixed(1)}`;
    });
    parts.push(
      `<path d="${blades.join('')}" fill="none" stroke="hsl(${random.whole(80, 110)},40%,${random.whole(20, 40)}%)" stroke-width="1.5"/>`,
    );
  }
  return picture(
    width,
    `<g filter="url(#grit)">${parts.join('')}</g>`,
    grain('grit', '0.6', 0.9, 31),
  );
}

/** Trees and lamp posts between the houses and the street. */
export function trees(width: number): string {
  const random = draws(41);
  const parts: string[] = [];
  for (let x = 120; x < width; x += random.whole(300, 520)) {
    parts.push(
      `<path d="M${x - 7} 575l5 -210h6l6 210z" fill="#4a3a2c" filter="url(#bark)"/>`,
      `<path d="M${x} 430l-46 -60M${x + 2} 410l50 -70M${x} 380l-10 -60" stroke="#4a3a2c" stroke-width="4"/>`,
    );
    for (let leaf = 0; leaf < 420; leaf++) {
      const angle = random.between(0, 2 * Math.PI);
      const reach = Math.sqrt(random.between(0, 1));
      const cx = x + Math.cos(angle) * reach * 92;
      const cy = 305 + Math.sin(angle) * reach * 78;
      parts.push(
        `<ellipse cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" rx="${random.between(3, 8).toFixed(1)}" ry="${random.between(2, 4).toFixed(1)}" ` +
          `transform="rotate(${random.whole(0, 179)} ${cx.toFixed(1)} ${cy.toFixed(1)})" fill="hsl(${random.whole(70, 115)},${random.whole(25, 50)}%,${random.whole(16, 44)}%)"/>`,
      );
    }
    const post = x + 170;
    parts.push(
      `<path d="M${post} 575v-250q0 -22 24 -22" fill="none" stroke="#23272b" stroke-width="5"/>`,
      `<circle cx="${post + 26}" cy="306" r="9" fill="#fff3c4"/>`,
    );
  }
  return picture(width, parts.join(''), grain('bark', '0.5 0.05', 2, 13));
}

/** A delivery van with lettering. */
export function van(): string {
  const wheels = [80, 318].map(
    (x) =>
      `<circle cx="${x}" cy="138" r="25" fill="#202020"/><circle cx="${x}" cy="138" r="12" fill="#9a9a9a"/>`,
  );
  return picture(
    390,
    '<rect x="6" y="10" width="292" height="126" rx="8" fill="#e8e4da"/>' +
      '<path d="M298 44h44l36 46v46h-80z" fill="#d4574a"/><path d="M308 54h30l26 36h-56z" fill="#223444"/>' +
      '<rect x="6" y="104" width="372" height="14" fill="#d4574a"/>' +
      wheels.join('') +
      `<text x="20" y="46" ${font} font-weight="bold" font-size="29" fill="#2c4a6e">Nord Parcel Co.</text>` +
      `<text x="20" y="68" ${font} font-size="11" fill="#333">same-day deliveries · harbour, old town, hills</text>` +
      `<text x="20" y="90" ${mono} font-size="10.5" fill="#333">tel. 0800 555 0142  www.nord-parcel.example</text>`,
    '',
    168,
  );
}

export interface HudState {
  readonly frame: number;
  readonly framesPerSecond: number;
}

const feed = [
  ['mira_k', 'opened the east gate'],
  ['Tobias', 'found 12 copper coins'],
  ['guest_4071', 'joined the session'],
  ['oldfox', 'gg, one more round?'],
  ['mira_k', 'meet at the radio shop'],
  ['lumen', 'delivered parcel #8816'],
];

/** Health, inventory, a map, counters, chat and a cross-hair: what lies over a game. */
export function headUpDisplay({ frame, framesPerSecond }: HudState): string {
  const seconds = frame / framesPerSecond;
  const clock = `${String(12 + Math.floor(seconds / 60)).padStart(2, '0')}:${String(Math.floor(seconds) % 60).padStart(2, '0')}`;
  const health = Math.round(64 + 30 * Math.sin(seconds * 0.6));
  const first = Math.floor(seconds / 2.5);
  const lines = [0, 1, 2, 3].map((row) => {
    const [who = '', what = ''] = feed[(first + row) % feed.length] ?? [];
    const y = 586 + row * 17;
    return (
      `<text x="28" y="${y}" ${font} font-size="12.5" font-weight="bold" fill="#ffd479">${who}</text>` +
      `<text x="112" y="${y}" ${font} font-size="12.5" fill="#f2f2f2">${what}</text>`
    );
  });
  const slots = Array.from({ length: 8 }, (_, slot) => {
    const x = 444 + slot * 50;
    const count = (slot * 37 + 5) % 64;
    return (
      `<rect x="${x}" y="662" width="44" height="44" rx="4" fill="#101418" fill-opacity="0.72" stroke="${slot === 2 ? '#ffd479' : '#8b949c'}" stroke-width="1.5"/>` +
      `<path d="M${x + 10} ${698 - (slot % 3) * 4}l12 -22l12 22z" fill="hsl(${slot * 45},60%,58%)"/>` +
      `<text x="${x + 41}" y="702" ${mono} font-size="11" fill="#fff" text-anchor="end">${count}</text>`
    );
  });
  const turn = (seconds * 40).toFixed(1);
  return picture(
    frameWidth,
    '<rect x="18" y="18" width="264" height="62" rx="6" fill="#0d1216" fill-opacity="0.7"/>' +
      `<text x="30" y="40" ${font} font-size="14" font-weight="bold" fill="#fff">Courier  Lv 27</text>` +
      `<text x="270" y="40" ${mono} font-size="13" fill="#cdd6dc" text-anchor="end">HP ${health}/100</text>` +
      '<rect x="30" y="50" width="240" height="9" fill="#3a2020"/>' +
      `<rect x="30" y="50" width="${health * 2.4}" height="9" fill="#d8483e"/>` +
      '<rect x="30" y="63" width="240" height="6" fill="#1e2c3a"/><rect x="30" y="63" width="151" height="6" fill="#4c9be0"/>' +
      '<rect x="1096" y="18" width="166" height="166" rx="8" fill="#131a17" fill-opacity="0.82" stroke="#aab4ac"/>' +
      '<path d="M1104 70h60v-44M1164 70v108M1104 130h150M1210 26v104M1230 130v46" stroke="#6f8478" stroke-width="5" fill="none"/>' +
      '<path d="M1116 86h30v30h-30zM1180 40h18v18h-18zM1222 60h28v34h-28zM1120 142h26v24h-26z" fill="#3c4b43"/>' +
      `<path d="M0 -8l6 14l-6 -4l-6 4z" fill="#ffd479" transform="translate(1164 104) rotate(${turn})"/>` +
      `<text x="1250" y="176" ${mono} font-size="10" fill="#d7ded9" text-anchor="end">N 54.32 E 10.14</text>` +
      `<text x="640" y="44" ${mono} font-size="26" font-weight="bold" fill="#fff" text-anchor="middle">${clock}</text>` +
      `<text x="640" y="62" ${font} font-size="11" fill="#f4ecd8" text-anchor="middle">score ${String(18240 + Math.floor(seconds) * 25)} · parcels 14/20</text>` +
      '<rect x="18" y="566" width="300" height="80" rx="6" fill="#0d1216" fill-opacity="0.62"/>' +
      lines.join('') +
      slots.join('') +
      '<path d="M640 346v10M640 364v10M626 360h10M644 360h10" stroke="#fff" stroke-width="2"/>',
  );
}
