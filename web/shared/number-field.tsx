import { useId } from 'preact/hooks';

interface NumberFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly min: string;
  readonly max?: string;
  readonly step?: string;
  readonly required?: boolean;
  /** What a value means, in a few words. */
  readonly hint?: string;
}

/** A number, kept as the text that was typed so that an unfinished one is not lost. */
export function NumberField({ label, value, onChange, hint, ...limits }: NumberFieldProps) {
  const id = useId();
  return (
    <label>
      {label}
      <input
        type="number"
        {...limits}
        {...(hint !== undefined && { 'aria-describedby': id })}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
      {hint !== undefined && <small id={id}>{hint}</small>}
    </label>
  );
}
