import { useRef, useState } from 'preact/hooks';
import { formatPercent } from '../shared/format.ts';
import { type ShownSuggestion, useSuggestions } from './use-suggestions.ts';

interface PromptFieldProps {
  readonly prompt: string;
  readonly variant: string | undefined;
  readonly onChange: (prompt: string) => void;
  /** Ctrl+Enter. */
  readonly onSubmit: () => void;
}

/** The prompt, with suggestions of how it goes on. Tab keeps its meaning: it leaves the field. */
export function PromptField({ prompt, variant, onChange, onSubmit }: PromptFieldProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [isOn, setIsOn] = useState(true);
  // Only what was typed at the end is completed: elsewhere the rest would not fit.
  const [typed, setTyped] = useState<string>();
  const { suggestions, fault } = useSuggestions(isOn ? typed : undefined, variant);

  function accept({ text }: ShownSuggestion): void {
    const next = prompt + text;
    onChange(next);
    setTyped(next);
    field.current?.focus();
    // The new value is there only after the next drawing.
    requestAnimationFrame(() => field.current?.setSelectionRange(next.length, next.length));
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onSubmit();
      return;
    }
    const digit = event.altKey ? /^(?:Digit|Numpad)([123])$/.exec(event.code)?.[1] : undefined;
    const at = event.ctrlKey && event.code === 'Space' ? 0 : Number(digit ?? Number.NaN) - 1;
    const chosen = suggestions[at];
    if (!chosen) return;
    event.preventDefault();
    accept(chosen);
  }

  return (
    <div class="prompt-field">
      <label for="prompt">Prompt</label>
      <textarea
        id="prompt"
        ref={field}
        rows={5}
        spellcheck={false}
        aria-describedby="prompt-hint"
        value={prompt}
        onKeyDown={onKeyDown}
        onInput={({ currentTarget }) => {
          const { value, selectionEnd } = currentTarget;
          onChange(value);
          setTyped(selectionEnd === value.length ? value : undefined);
        }}
      />
      <div class="suggestions">
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would announce itself with every suggestion */}
        <div role="group" aria-label="Suggestions" class="suggestion-list">
          {suggestions.map((suggestion, at) => (
            <button
              key={suggestion.text}
              type="button"
              class="suggestion"
              aria-keyshortcuts={at === 0 ? 'Control+Space Alt+1' : `Alt+${at + 1}`}
              onClick={() => accept(suggestion)}
            >
              <span class="shortcut" data-keys={`Alt ${at + 1}`} />
              <span class="suggestion-text">{suggestion.text.replaceAll('\n', '⏎')}</span>
              <small>{formatPercent(suggestion.probability)}</small>
            </button>
          ))}
          {suggestions.length === 0 && (
            <span class="muted">{isOn ? (fault ?? 'Suggestions appear as you type.') : 'Suggestions are off.'}</span>
          )}
        </div>
        <label class="check">
          <input type="checkbox" checked={isOn} onChange={({ currentTarget }) => setIsOn(currentTarget.checked)} />
          Suggest
        </label>
      </div>
      <p id="prompt-hint" class="muted keys">
        <kbd>Ctrl</kbd> <kbd>Enter</kbd> generates, <kbd>Esc</kbd> stops, <kbd>Ctrl</kbd> <kbd>Space</kbd> takes the
        first suggestion.
      </p>
    </div>
  );
}
