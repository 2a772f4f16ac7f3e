import type { ComponentChild } from 'preact';
import { render } from 'preact';
import { applyTheme, savedTheme } from './theme.ts';

/** Puts a page into its place. */
export function start(page: ComponentChild): void {
  applyTheme(savedTheme());
  const place = document.getElementById('app');
  if (place) render(page, place);
}
