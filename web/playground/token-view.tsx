import { useEffect, useId, useRef } from 'preact/hooks';
import { formatPercent } from '../shared/format.ts';
import { bandOf, bands } from './probability.ts';
import type { ShownToken } from './use-generation.ts';

interface TokenViewProps {
  readonly prompt: string;
  readonly tokens: readonly ShownToken[];
  readonly selected: number | undefined;
  readonly onSelect: (index: number) => void;
}

/** Where another key leads from token `at`. */
function targetOf(key: string, at: number | undefined, count: number): number | undefined {
  if (key === 'Home') return 0;
  if (key === 'End') return count - 1;
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[key];
  if (step === undefined) return undefined;
  return at === undefined ? 0 : Math.min(Math.max(at + step, 0), count - 1);
}

/** The text, token by token. One stop of the Tab key; arrow keys move between tokens. */
export function TokenView({ prompt, tokens, selected, onSelect }: TokenViewProps) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (selected === undefined || document.activeElement !== list.current) return;
    document.getElementById(`${id}-${selected}`)?.scrollIntoView({ block: 'nearest' });
  }, [id, selected]);

  const select = ({ target }: Event): void => {
    const index =
      target instanceof HTMLElement ? target.closest<HTMLElement>('[data-index]')?.dataset['index'] : undefined;
    if (index !== undefined) onSelect(Number(index));
  };

  return (
    // The keys of a listbox are handled by itself; a pointer only adds to them.
    <div
      ref={list}
      class="tokens"
      role="listbox"
      tabIndex={0}
      aria-label="Tokens of the output"
      {...(selected !== undefined && { 'aria-activedescendant': `${id}-${selected}` })}
      onPointerOver={select}
      onClick={select}
      onFocus={() => onSelect(selected ?? 0)}
      onKeyDown={(event) => {
        const target = targetOf(event.key, selected, tokens.length);
        if (target === undefined) return;
        event.preventDefault();
        onSelect(target);
      }}
    >
      {prompt !== '' && (
        <span class="prompt-text" role="presentation">
          {prompt}
        </span>
      )}
      {tokens.map(({ text, token, logProb }, index) => (
        // biome-ignore lint/a11y/useFocusableInteractive: the list has the focus and names its active token
        <span
          // Tokens are only added at the end
          key={index}
          id={`${id}-${index}`}
          class="token"
          role="option"
          aria-selected={index === selected}
          aria-label={`${nameToken(token)}, ${formatPercent(Math.exp(logProb))}`}
          data-index={index}
          data-band={bandOf(logProb)}
        >
          {text === '' ? <span class="mark">{token === endOfText ? 'end' : '·'}</span> : text}
        </span>
      ))}
    </div>
  );
}

const endOfText = '<|endoftext|>';

/** A token in words: white space would be silent. */
export function nameToken(token: string): string {
  if (token === endOfText) return 'end of text';
  if (token.startsWith('bytes:')) return `part of a character (${token.slice(6)})`;
  return token.trim() === '' ? (whiteSpace[token] ?? 'white space') : token;
}

const whiteSpace: Readonly<Record<string, string>> = {
  ' ': 'space',
  '\n': 'new line',
  '\n\n': 'two new lines',
  '\t': 'tab',
};

/** What the shades and lines mean. */
export function Legend() {
  return (
    <ul class="legend" aria-label="Probability of a token">
      {bands.map(({ name }, band) => (
        <li key={name}>
          <span class="token" data-band={band} aria-hidden="true">
            text
          </span>{' '}
          {name}
        </li>
      ))}
    </ul>
  );
}
