import { useEffect, useRef, useState } from 'preact/hooks';
import { apiKey, setApiKey, useApiKey } from './api-key.ts';

/** Asks for a key once the server has refused a request without one. */
export function KeyForm() {
  const { isWanted } = useApiKey();
  const [text, setText] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (isWanted) field.current?.focus();
  }, [isWanted]);
  if (!isWanted) return null;
  const wasRefused = apiKey() !== undefined;
  return (
    <form
      class="card notice key-form"
      aria-labelledby="key-title"
      onSubmit={(event) => {
        event.preventDefault();
        setApiKey(text);
        setText('');
      }}
    >
      <h2 id="key-title">{wasRefused ? 'This key is not known' : 'This server asks for a key'}</h2>
      <p>
        Its operator makes keys with <code>itera-lite serve --create-key</code>. The key stays in this tab and is
        forgotten when you close it.
      </p>
      <div class="row">
        <label class="grow">
          Key
          <input
            ref={field}
            type="password"
            autocomplete="off"
            required
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary">
          Use this key
        </button>
      </div>
    </form>
  );
}
