// Words for rendered pages: what stands in them does not matter, that every letter, figure and mark
// turns up in many settings does.
import type { Random } from './random.ts';

const common =
  'the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number no way could people my than first water been call who oil its now find long down day did get come made may part over new sound take only little work know place year live back give most very after thing our just name good sentence man think say great where help through much before line right too mean old any same tell boy follow came want show also around form three small set put end does another well large must big even such because turn here why ask went men read need land different home us move try kind hand picture again change off play spell air away animal house point page letter mother answer found study still learn should world'.split(
    ' ',
  );
const technical =
  'Settings Network Video Quality Bitrate Latency Stream Server Camera Microphone Volume Options File Edit View Window Help Search Cancel Apply Save Open Close Export Import Project Version Update Install Account Profile Language Display Keyboard Battery Storage Memory Processor Graphics Texture Shadows Resolution Framerate Fullscreen Exit Resume Pause Level Score Health Ammo Mission Objective Inventory Quest Player Team Round Kills Deaths Assists Ping Gold Wood Stone Food Victory Defeat'.split(
    ' ',
  );
const letters = 'abcdefghijklmnopqrstuvwxyz';
const others = 'äöüßéèçñåøæłžšАБВГДЖИКЛМНОПРСТабвгдежзиклмнопрстΑΒΓΔΕΖΗΘαβγδεζηθλμπσφω';
const marks = '.,:;!?()[]{}<>+-*/=%&|#@$€£"\'_~^\\';
const figures = '0123456789';

const draw = (random: Random, alphabet: string, count: number): string => {
  const pool = Array.from(alphabet);
  return Array.from({ length: count }, () => random.pick(pool)).join('');
};

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

export const figure = (random: Random): string => {
  switch (random.whole(0, 4)) {
    case 0:
      return String(random.whole(0, 9999));
    case 1:
      return `${draw(random, figures, 2)}:${draw(random, figures, 2)}`;
    case 2:
      return `${String(random.whole(0, 100))}%`;
    case 3:
      return `${String(random.whole(0, 99))}.${draw(random, figures, 2)}`;
    default:
      return `${draw(random, figures, 1)},${draw(random, figures, 3)}`;
  }
};

export const word = (random: Random): string => {
  const roll = random.unit();
  if (roll < 0.7) return random.pick(common);
  if (roll < 0.8) return random.pick(technical);
  if (roll < 0.88) return figure(random);
  if (roll < 0.95) return draw(random, letters, random.whole(3, 10));
  if (roll < 0.98) return draw(random, others, random.whole(3, 8));
  return draw(random, marks, random.whole(1, 4));
};

export const label = (random: Random): string =>
  random.chance(0.6) ? random.pick(technical) : capital(random.pick(common));

export const heading = (random: Random): string =>
  Array.from({ length: random.whole(1, 4) }, () => capital(word(random))).join(' ');

export const sentence = (random: Random, count: number): string => {
  const words = Array.from(
    { length: count },
    () => word(random) + (random.chance(0.08) ? ',' : ''),
  );
  return `${capital(words.join(' '))}${random.pick(['.', '.', '.', '!', '?', ':'])}`;
};

export const identifier = (random: Random): string => {
  const parts = Array.from({ length: random.whole(1, 3) }, () => random.pick(common));
  return random.chance(0.5)
    ? parts.join('_')
    : parts.map((part, index) => (index > 0 ? capital(part) : part)).join('');
};
