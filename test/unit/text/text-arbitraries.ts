import fc from 'fast-check';

/** Strings of any well-formed Unicode, with what tokenizers treat specially over-represented. */
export const unicodeText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom(' ', '  ', '\n', '\r\n', '\t', '\u0085', '\uFEFF', '\u00a0', '\u3000', '\0'),
      fc.constantFrom(
        "'s",
        "'ll",
        "'LL",
        '1',
        '23',
        '½',
        '٣',
        'é',
        'e\u0301',
        '👩‍👩‍👧',
        '<|endoftext|>',
        '<|',
        'endoftext',
      ),
      fc.constantFrom('the', ' dog', 'ran to', ' River', 'sea. ', 'aaaa', 'abab'),
      fc.integer({ min: 1, max: 120 }).map((length) => 'ab a'.charAt(length % 4).repeat(length)),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''));
