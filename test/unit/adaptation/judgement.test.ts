import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/adaptation/store/judgement.ts';

describe('judge', () => {
  it.each([
    [{ correct: false }, 'bad'],
    [{ correct: true }, 'good'],
    [{ rating: 1 }, 'bad'],
    [{ rating: 2 }, 'bad'],
    [{ rating: 3 }, 'none'],
    [{ rating: 4 }, 'good'],
    [{ rating: 5 }, 'good'],
    [{ rating: 3, correct: false }, 'bad'],
    [{ rating: 3, correct: true }, 'good'],
    [{ rating: 5, correct: false }, 'none'],
    [{ rating: 1, correct: true }, 'none'],
    [{ output: 'a', correction: 'b' }, 'bad'],
    [{ output: 'a', correction: 'a' }, 'none'],
    [{ correction: 'b' }, 'none'],
    [{ output: 'a', correction: 'b', rating: 3 }, 'bad'],
    [{ output: 'a', correction: 'b', rating: 4 }, 'good'],
    [{ output: 'a', correction: 'b', correct: true }, 'good'],
    [{ output: 'a', correction: 'b', rating: 5, correct: false }, 'none'],
    [{}, 'none'],
  ] as const)('says of %j: %s', (feedback, expected) => {
    expect(judge(feedback)).toBe(expected);
  });
});
