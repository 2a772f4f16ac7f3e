import type { ModelEntry } from '../shared/api-types.ts';
import { NumberField } from '../shared/number-field.tsx';
import type { Settings } from './settings.ts';

interface SettingsFormProps {
  readonly settings: Settings;
  readonly variants: readonly ModelEntry[];
  readonly onChange: (settings: Settings) => void;
}

/** How the text is drawn. */
export function SettingsForm({ settings, variants, onChange }: SettingsFormProps) {
  const set = (name: keyof Settings) => (value: string) => onChange({ ...settings, [name]: value });
  return (
    <fieldset class="settings">
      <legend>Settings</legend>
      <label>
        Variant
        <select value={settings.model} onChange={({ currentTarget }) => set('model')(currentTarget.value)}>
          {variants.map(({ id, itera }) => (
            <option key={id} value={id}>
              {itera.variant}
            </option>
          ))}
        </select>
      </label>
      <NumberField label="Most tokens" min="1" required value={settings.maxTokens} onChange={set('maxTokens')} />
      <NumberField
        label="Temperature"
        min="0"
        max="2"
        step="0.05"
        required
        hint="0: always the likeliest"
        value={settings.temperature}
        onChange={set('temperature')}
      />
      <NumberField
        label="Top p"
        min="0.01"
        max="1"
        step="0.01"
        hint="1: all tokens"
        value={settings.topP}
        onChange={set('topP')}
      />
      <NumberField
        label="Seed"
        min="0"
        max="4294967295"
        hint="empty: another each time"
        value={settings.seed}
        onChange={set('seed')}
      />
      <label>
        Stop at
        <textarea
          rows={1}
          aria-describedby="stop-hint"
          value={settings.stop}
          onInput={({ currentTarget }) => set('stop')(currentTarget.value)}
        />
        <small id="stop-hint">texts, one a line, up to 4</small>
      </label>
    </fieldset>
  );
}
