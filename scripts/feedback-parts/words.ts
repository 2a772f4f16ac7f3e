/** Splits a list that is written as `one | two | three` over as many lines as it needs; brackets stay whole. */
export function choices(text: string): readonly string[] {
  const parts = [''];
  let depth = 0;
  for (const character of text) {
    if (character === '[') depth++;
    if (character === ']') depth--;
    if (character === '|' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.replaceAll(/\s+/g, ' ').trim());
}

export const girls = choices(`Anna|Lily|Mia|Rosa|Ella|Nora|Zoe|Ruby|Clara|Ivy|Hana|Amy|Lucy|Daisy|Emma|Sara|Tina|Molly|
  Penny|Kate|Jane|Nina|Maya|Leila|Greta|Wanda|Elsie|Polly|Freya|Dora|Holly|Abby|Bella|Fiona|Gwen|Ines`);

const boys = choices(`Tom|Ben|Max|Sam|Leo|Tim|Jack|Finn|Omar|Hugo|Paul|Nico|Adam|Luke|Theo|Owen|Jake|Oscar|Felix|Noah|
  Milo|Billy|Peter|Henry|Ravi|Karl|Emil|Louis|Ned|Ali|Toby|Gus|Rory|Ivan|Simon|Walter`);

/** Words that every scenario may use, by the name of their slot. An entry may hold slots and choices itself. */
export const pools: Readonly<Record<string, readonly string[]>> = {
  child: [...girls, ...boys],
  animal: choices(`fox|rabbit|bear|mouse|frog|duck|squirrel|turtle|goat|hen|pig|cat|dog|owl|lamb|pony|beaver|mole|
    badger|otter|donkey|kitten|puppy|crow|parrot|deer|penguin|monkey|hamster|swan`),
  color: choices('red|blue|yellow|green|orange|white|pink|brown|silver|black|gray'),
  foods: choices(`berries|nuts|apples|carrots|cookies|pears|grapes|pancakes|muffins|cherries|beans|peas|buns|peaches|
    potatoes|noodles|dumplings|waffles|radishes|lemons`),
  toy: choices(`ball|kite|doll|drum|toy boat|toy train|wagon|teddy bear|puzzle|hoop|whistle|robot|balloon|paper crown|
    toy truck|spinning top|jump rope`),
  thing: choices(`shell|key|coin|button|feather|bell|ribbon|mitten|hat|scarf|lamp|spoon|book|map|basket|ring|bottle|
    umbrella|marble|cup|blanket|box`),
  crops:
    choices(`berries|nuts|apples|carrots|pears|grapes|cherries|beans|peas|peaches|potatoes|radishes|lemons|pumpkins|
    onions|tomatoes|beets|turnips`),
  treats: choices('cookies|pancakes|muffins|buns|dumplings|waffles|pies|tarts|cakes|rolls|pretzels|crackers|scones'),
  size: choices('big|small|tiny|fat|thin|tall|young|little'),
  spot: choices('[|old |little |big |new ]{building}|[|quiet |little |big |wide ]{ground}'),
  building: choices(
    'barn|mill|fence|gate|school|farm|stable|shed|bakery|church|tower|shop|tent|fountain|playground|well',
  ),
  ground: choices('pond|garden|hill|lake|stream|field|river|meadow|orchard|beach|park|path'),
  where: choices('[near|by|beside|behind] the {spot}'),
  time: choices(`One [sunny|rainy|cold|warm|windy|foggy|bright] [morning|day|afternoon]|One day|After breakfast|After lunch|
    On [Sunday|Monday|Friday|Saturday]|Early one morning|Late one afternoon|Last [summer|spring|autumn]|One quiet
    evening|
    At noon|After school|Before dinner|After a long nap`),
  walk: choices('walked|ran|skipped|hopped|wandered|hurried|marched|went'),
  family: choices('mother|father|grandma|grandpa|uncle|sister|brother|cousin|aunt|teacher|neighbor'),
};
