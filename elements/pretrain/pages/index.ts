// The kinds of pages that the recipe renders, and how often each is drawn.
import type { Random } from '../random.ts';
import { desktopPage } from './desktop.ts';
import { cartoonPage, logoPage, texturePage } from './drawing.ts';
import { gamePage } from './game.ts';
import { codePage, documentPage, slidePage } from './writing.ts';

/** Draws one page as SVG. The same random state and size give the same page. */
export type PageKind = (random: Random, width: number, height: number) => string;

/** In turn, so that any number of pages has every kind in it. */
export const pageKinds: readonly PageKind[] = [
  gamePage,
  documentPage,
  cartoonPage,
  codePage,
  texturePage,
  desktopPage,
  logoPage,
  gamePage,
  slidePage,
  cartoonPage,
];

export const drawPage = (index: number, random: Random, width: number, height: number): string => {
  const kind = pageKinds[index % pageKinds.length] ?? gamePage;
  return kind(random, width, height);
};
