import type { ModelEntry } from '../shared/api-types.ts';
import type { Settings } from './settings.ts';

interface SettingsFormProps {
  readonly settings: Settings;
  readonly variants: readonly ModelEntry[];
  readonly onChange: (settings: Settings) => void;
}

/** How the text is drawn. */
export function SettingsForm({ settings, variants, onChange }: SettingsFormProps) {
  const set =
    (name: keyof Settings) =>
    ({ currentTarget }: { readonly currentTarget: { readonly value: string } }) =>
      onChange({ ...settings, [name]: currentTarget.value });
  return (
    <fieldset class="settings">
      <legend>Settings</legend>
      <label>
        Variant
        <select value={settings.model} onChange={set('model')}>
          {variants.map(({ id, itera }) => (
            <option key={id} value={id}>
              {itera.variant}
            </option>
          ))}
        </select>
      </label>
      <label>
        Most tokens
        <input type="number" min="1" required value={settings.maxTokens} onInput={set('maxTokens')} />
      </label>
      <label>
        Temperature
        <input
          type="number"
          min="0"
          max="2"
          step="0.05"
          required
          aria-describedby="temperature-hint"
          value={settings.temperature}
          onInput={set('temperature')}
        />
        <small id="temperature-hint">0: always the likeliest</small>
      </label>
      <label>
        Top p
        <input
          type="number"
          min="0.01"
          max="1"
          step="0.01"
          aria-describedby="top-p-hint"
          value={settings.topP}
          onInput={set('topP')}
        />
        <small id="top-p-hint">1: all tokens</small>
      </label>
      <label>
        Seed
        <input
          type="number"
          min="0"
          max="4294967295"
          aria-describedby="seed-hint"
          value={settings.seed}
          onInput={set('seed')}
        />
        <small id="seed-hint">empty: another each time</small>
      </label>
      <label>
        Stop at
        <textarea rows={1} aria-describedby="stop-hint" value={settings.stop} onInput={set('stop')} />
        <small id="stop-hint">texts, one a line, up to 4</small>
      </label>
    </fieldset>
  );
}
