import { useState } from 'preact/hooks';
import { api } from '../shared/api.ts';
import type { Judgement } from '../shared/api-types.ts';
import { faultText } from '../shared/fault.tsx';
import { type Generation, outputOf } from './use-generation.ts';

const stars = [1, 2, 3, 4, 5] as const;

type Sending = { readonly state: 'open' | 'sending' } | { readonly state: 'kept' | 'failed'; readonly text: string };

/** What the output is worth. Shown anew for each generation, by its key. */
export function FeedbackForm({ generation }: { readonly generation: Generation }) {
  const [correct, setCorrect] = useState<boolean>();
  const [rating, setRating] = useState<number>();
  const [correction, setCorrection] = useState('');
  const [comment, setComment] = useState('');
  const [sending, setSending] = useState<Sending>({ state: 'open' });
  const isJudged = correct !== undefined || rating !== undefined || correction !== '';

  async function send(): Promise<void> {
    setSending({ state: 'sending' });
    const judgement: Judgement = {
      ...subjectOf(generation),
      ...(correct !== undefined && { correctness: correct }),
      ...(rating !== undefined && { user_rating: rating }),
      ...(correction !== '' && { correction }),
      ...(comment !== '' && { comments: comment }),
    };
    try {
      const { duplicate } = await api.judge(judgement);
      const text = duplicate ? 'The same was said before; it is kept once.' : 'Thank you. Your feedback is kept.';
      setSending({ state: 'kept', text });
    } catch (error) {
      setSending({ state: 'failed', text: `Your feedback is not kept. ${faultText(error)}` });
    }
  }

  return (
    <form
      class="card feedback"
      aria-labelledby="feedback-title"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <h2 id="feedback-title">Feedback</h2>
      <div class="row">
        <fieldset class="thumbs">
          <legend>Is it right?</legend>
          <Thumb name="Good" isOn={correct === true} onToggle={(isOn) => setCorrect(isOn || undefined)} />
          <Thumb name="Bad" isDown isOn={correct === false} onToggle={(isOn) => setCorrect(isOn ? false : undefined)} />
        </fieldset>
        <fieldset class="stars">
          <legend>Rating</legend>
          {stars.map((count) => (
            <label key={count} class="star" {...(rating !== undefined && count <= rating && { 'data-lit': '' })}>
              <input
                type="radio"
                name="rating"
                value={count}
                checked={rating === count}
                onChange={() => setRating(count)}
              />
              <span aria-hidden="true">★</span>
              <span class="visually-hidden">{count === 1 ? '1 star' : `${count} stars`}</span>
            </label>
          ))}
          <span class="muted" aria-hidden="true">
            {rating === undefined ? 'none' : `${rating} of 5`}
          </span>
        </fieldset>
      </div>
      <label>
        What should have come instead
        <textarea
          rows={2}
          maxLength={20_000}
          value={correction}
          onInput={({ currentTarget }) => setCorrection(currentTarget.value)}
        />
      </label>
      <label>
        Comment
        <input
          type="text"
          maxLength={20_000}
          value={comment}
          onInput={({ currentTarget }) => setComment(currentTarget.value)}
        />
      </label>
      <div class="row">
        <button
          type="submit"
          class="primary"
          disabled={!isJudged || sending.state === 'sending' || sending.state === 'kept'}
        >
          Send feedback
        </button>
        <p role="status" class={sending.state === 'failed' ? 'fault' : 'confirmation'}>
          {'text' in sending && sending.text}
          {sending.state === 'open' && !isJudged && <span class="muted">Choose a thumb, stars or a correction.</span>}
        </p>
      </div>
    </form>
  );
}

interface ThumbProps {
  readonly name: string;
  readonly isDown?: boolean;
  readonly isOn: boolean;
  readonly onToggle: (isOn: boolean) => void;
}

function Thumb({ name, isDown = false, isOn, onToggle }: ThumbProps) {
  return (
    <button type="button" class="toggle" aria-pressed={isOn} onClick={() => onToggle(!isOn)}>
      <svg viewBox="0 0 20 20" aria-hidden="true" class={isDown ? 'down' : 'up'}>
        <path d="M2.5 9h3v8h-3zM5.5 9l3.2-6.5c1.6 0 2.3 1 2 2.4l-.6 2.6h5.4c1.2 0 2 1 1.7 2.2l-1.3 5.6c-.2 1-1 1.7-2 1.7H5.5" />
      </svg>
      {name}
    </button>
  );
}

/** A recorded inference is named by its id; anything else brings its own texts. */
function subjectOf(generation: Generation): Judgement {
  const { facts, prompt } = generation;
  const output = outputOf(generation);
  if (facts?.inference_id) return { feedback_id: facts.inference_id };
  return { prompt, ...(output !== '' && { output }), ...(facts?.version !== undefined && { version: facts.version }) };
}
