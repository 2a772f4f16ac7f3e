import { createHash } from 'node:crypto';

/**
 * All that the page's script does; without it nothing is missing but this: what one points at or reaches by keyboard is told
 * in a box beside it, buttons hide and show the series of a chart, and what is folded opens where a link leads into it and on
 * paper. It reads nothing but the page and sends nothing anywhere.
 */
export const reportScript = `
(() => {
  const box = document.createElement('div');
  box.className = 'tip';
  box.setAttribute('aria-hidden', 'true');
  box.hidden = true;
  document.body.append(box);
  const hide = () => { box.hidden = true; };
  const show = (mark) => {
    box.textContent = mark.dataset.text;
    box.hidden = false;
    const place = mark.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    box.style.left = Math.max(4, Math.min(place.left + scrollX, scrollX + width - box.offsetWidth - 4)) + 'px';
    box.style.top = place.top + scrollY - box.offsetHeight - 6 + 'px';
  };
  const markOf = (event) => event.target instanceof Element ? event.target.closest('[data-mark]') : null;
  for (const title of document.querySelectorAll('[data-mark] > title')) {
    title.parentNode.dataset.text = title.textContent;
    title.remove();
  }
  for (const kind of ['pointerover', 'focusin']) document.addEventListener(kind, (event) => {
    const mark = markOf(event);
    if (mark) show(mark); else hide();
  });
  document.addEventListener('focusout', hide);
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });
  for (const figure of document.querySelectorAll('figure.chart')) {
    const names = [...new Set([...figure.querySelectorAll('[data-series]')].map((mark) => mark.dataset.series))];
    if (names.length < 2) continue;
    const legend = document.createElement('div');
    legend.className = 'legend';
    legend.setAttribute('role', 'group');
    legend.setAttribute('aria-label', 'Series of the chart');
    for (const name of names) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = name;
      button.setAttribute('aria-pressed', 'true');
      button.addEventListener('click', () => {
        const off = button.getAttribute('aria-pressed') === 'true';
        button.setAttribute('aria-pressed', String(!off));
        for (const mark of figure.querySelectorAll('[data-series]')) {
          if (mark.dataset.series === name) mark.classList.toggle('off', off);
        }
      });
      legend.append(button);
    }
    figure.append(legend);
  }
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    const folded = target && target.closest('details');
    if (folded && !folded.open) { folded.open = true; target.scrollIntoView(); }
  };
  addEventListener('hashchange', reveal);
  reveal();
})();
`;

/** How a content security policy names this script and no other. */
export const reportScriptHash = `sha256-${createHash('sha256').update(reportScript).digest('base64')}`;
