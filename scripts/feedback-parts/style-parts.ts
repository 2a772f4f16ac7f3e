import { choices } from './words.ts';

/** Stories that lead to the same moral. */
interface StyleTheme {
  readonly moral: string;
  /** Tiny stories of `{child1}` and `{child2}`. */
  readonly stories: readonly string[];
  /** One short sentence that ends any of the stories. */
  readonly closings: readonly string[];
}

/** A theme from its moral, its stories and its closings, the latter two as lists for {@link choices}. */
const theme = (moral: string, stories: string, closings: string): StyleTheme => ({
  moral,
  stories: choices(stories),
  closings: choices(closings),
});

export const styleThemes: readonly StyleTheme[] = [
  theme(
    'sharing makes everyone happy',
    `
      {child1} the {animal} had a [bag|box|jar|bowl|sack] of {foods1}. {child2} [had none|was hungry|only had
      crumbs] and [sat|waited|stood] {where}. So {child1} [cut|split|counted|divided] [them all|the {foods1}] and
      gave {child2} [half|some]. |
      {child1} got a {color} {toy} from {his1} {family}. [At first|For a while|All day], {he1} [hid it away|kept
      it close|held it tight|played alone]. But {child2} looked [sad|hurt|lonely], so {child1} [let {him2}|asked
      {him2} to] play [too|along].`,
    'They both [smiled|laughed].|The two friends had fun.|Now both of them were happy.',
  ),
  theme(
    'always tell the truth',
    `
      {child1} [broke|lost|spilled paint on|sat on] the {color} {thing} of {his1} {family}. "The {animal} did it,"
      {he1} [said|whispered|cried]. Then {child2} [blamed|scolded|looked at] the {animal}, so {child1}
      [told|showed] {child2} what {he1} had [done|broken]. |
      {child1} [ate|took|hid] the {foods} that {child2} had [baked|bought|picked|saved]. When {child2}
      [came|asked|looked], {child1} [blushed|looked down|shook]. "{child2}, it was [me|my fault]," {child1}
      [said|whispered].`,
    '{child2} was not angry anymore.|{child2} was glad to hear it.|After that, {child1} felt much better.',
  ),
  theme(
    'a good friend helps when there is trouble',
    `
      {time}, {child1} the {animal} [fell into|got stuck in|slipped in] the [mud|snow|ditch|hole|bushes] {where}.
      {child2} the {animal} [brought|found|carried|fetched] a [long|strong|thick] [stick|rope|branch|vine].
      [Soon|In the end] {child1} was [out|free|safe]. |
      A [strong|cold|wild] wind [broke|blew down|shook apart] the [house|nest|hut|tent] of {child1} {where}.
      {child2} [dropped|left|put down] {his2} {foods} and [came|ran|hurried] to [build|fix|mend] it with {child1}.`,
    '{child1} thanked {child2} with a hug.|They were best friends after that.|{child1} was very thankful.',
  ),
  theme(
    'never give up',
    `
      {child1} wanted to [ride|climb|swim|skate|dive] like {his1} {family}. {He1} [fell|failed|slipped]
      [two|three|five|six|ten] times {where}, and {child2} [said|sighed], "[Stop|Rest|Go home]." But {child1}
      [tried|started] again, and {child2} [stared|cheered|jumped up] when {child1} did it. |
      {child1} the {animal} [built|made|stacked] a [tower|house|boat|wall|bridge] of {color}
      [blocks|stones|sticks|boxes|cups]. {child2} [watched|laughed|yawned] when it [fell|broke|tipped over].
      {child1} [began|started] [again|anew], and the [ninth|third|sixth|last|fourth] one [stood|held].`,
    '{child2} clapped and clapped.|{child1} had done it.|"I did it!" said {child1}.',
  ),
  theme(
    'be kind to those who are small',
    `
      A [big|huge|strong] {animal} named {child1} [pushed|laughed at|chased away] a tiny [ant|bug|bee|snail|worm]
      called {child2}. [Later|Soon], {child1} [lost|dropped] {his1} [coin|key|button|ring|marble|bead|bell] in a
      [crack|hole|pipe|log], and [little|tiny] {child2} [got|fetched|found] it. |
      {child1} [stopped|waited] for a [slow|little|tiny] [ant|bug|beetle|snail|spider] called {child2} {where}.
      That [night|evening|afternoon], {child1} was [lost|cold|sad], and {child2} [told|showed] {him1} the way
      [home|back].`,
    '{child1} thanked little {child2}.|From then on, {child1} was gentle.|The two became friends.',
  ),
  theme(
    'do not be greedy',
    `
      {child1} [took|grabbed|ate] all the {foods} {where}, and {child2} got [none|nothing]. [Soon|That night],
      {child1} had a [sore|very full|heavy|terribly sore] [belly|tummy] and [lay|rolled] [on the rug|in bed|in the
      grass|on the floor]. |
      {child1} the {animal} had [two|three|four] {foods}, but {child2} had [nine|more|better ones|bigger ones].
      {child1} [reached|jumped|ran] for [the biggest|the best|the last|one more], and [dropped|lost] {his1}
      [bag|basket|bowl|box].`,
    '{child1} wished {he1} had taken less.|{child2} only shook {his2} head.|Now {child1} was sorry.',
  ),
  theme(
    'think before you act',
    `
      {child1} [saw|found|smelled] a {color} [pot|jar|bottle|can|bowl] and [drank|swallowed|licked] [some|a bit|a
      little]. [Oh no|Help|Yuck|Ugh], [paint|soap|glue|vinegar]! {child2} [ran|hurried] to [get|bring] {him1}
      [water|milk|a towel]. |
      {child1} the {animal} [jumped|leaped|hopped] [right|straight] into the [hole|well|box|barrel|ditch] to
      [get|reach] a {color} {thing}. {child1} was [stuck|trapped], so {child2} [fetched|found|brought] a
      [ladder|rope|pole] from the {spot}.`,
    '{child1} had learned to be careful.|"Next time I will look first," said {child1}.|{child1} was safe, but {he1} felt silly.',
  ),
  theme(
    'listen to the people who care for you',
    `
      "[Wear|Take|Bring] your {color} [coat|hat|cap|scarf]," said the {family} of {child1}. {child1}
      [left|forgot|dropped] it and [played|walked|ran] with {child2} {where}. Then it [snowed|rained|hailed], and
      {child1} [got|was] [wet|cold] and [sneezed|coughed] [all night|for days]. |
      {child1} was not to [run|climb|play|swim] {where}. But {he1} [went|did it] [anyway|with {child2}] and
      [hurt|cut|bumped] {his1} [knee|toe|elbow|nose|hand], and {child2} [called|fetched] {his1} {family}.`,
    '{child1} had to stay in bed.|"I should have listened," said {child1}.|{child1} was given a hug and some tea.',
  ),
  theme(
    'slow and steady steps get you there',
    `
      {child1} the [snail|turtle|slug|worm|tortoise] and {child2} the [hare|horse|dog|pony|fox] raced {where}.
      {child2} [slept|stopped|played|ate {foods}], but {child1} [crept|crawled|moved] [on|along] and [won|got
      there|passed {child2}]. |
      {child1} [wrote|drew|made|copied] [one|a] [page|sheet|part|piece] [every|each] [day|night|morning]. {child2}
      [rushed|hurried] on [Sunday|Friday|Monday|Tuesday] and [soon|then|quickly] [stopped|gave up]. Only {child1}
      had a [book|song book|picture book|story book] [in May|in June|by winter|by spring].`,
    '{child1} was proud.|{child2} could not believe it.|Everyone cheered for {child1}.',
  ),
  theme(
    'you can be brave even when you are afraid',
    `
      {child1} was [afraid|scared] of [dogs|the dark|deep water|bees|tall ladders]. [One day|One night|Then|Last
      week|At noon], {child2} [cried|called|shouted] for help {where}. {child1} [shook|trembled], but {he1}
      [ran|went|hurried] to {child2} and [pulled|led|carried] {him2} [out|away|home]. |
      The little {animal} {child1} did not [dare|want] to [sing|dance|speak|jump|swim] at the
      [party|fair|school|show|picnic]. {His1} [legs|knees|paws] shook. {child2} [nodded|waved|smiled at {him1}],
      and {child1} [breathed in|stood up|smiled back] and [began|started|did it].`,
    'Everybody cheered.|{child1} felt tall and strong.|"You did it!" said {child2}.',
  ),
  theme(
    'say sorry when you are wrong',
    `
      {child1} [called {child2} a bad name|shouted at {child2}|pushed {child2}] {where}. [That night|At
      home|Later], {child1} could not [eat|sleep|play|smile]. [The next day|In the morning|After school], {he1}
      [brought|gave|made] {child2} a {color} {thing} and [whispered|spoke] [kindly|softly|to {him2}]. |
      "You [took|hid|broke] my {toy}," {child1} [yelled|said|shouted] at {child2}. Then {child1} [found|saw] it
      {where}. {child1} [blushed|turned red|felt bad] and [ran|walked] to {child2} to [talk|make up|make peace].`,
    '{child2} forgave {him1}.|They hugged and played again.|"It is all right," said {child2}.',
  ),
  theme(
    'everyone is good at something',
    `
      {child1} the {animal} could not [run|fly|jump|climb] like {child2}. {child1} [cried|was sad|sat alone]
      {where}. But when the [band|choir|cook|baker|king] [came|asked], {child1} could
      [sing|bake|drum|dance|whistle|cook] [better|best|very well]. |
      {child2} was [fast|strong|tall|loud], and {child1} felt [small|dull|plain]. [One night|Then|On Friday],
      {child2} lost {his2} {color} {thing} {where}, and {child1} [spotted|noticed|saw|found] it [first|at once|in
      the dark].`,
    '{child2} was amazed.|{child1} was proud at last.|"How good you are!" said {child2}.',
  ),
  theme(
    'clean up your own mess',
    `
      {child1} [spilled|dropped|threw] {foods} [all over|on] the [floor|rug|path|stairs|steps]. {child2}
      [slipped|fell|tripped], [hurt|bumped|scratched] {his2} [knee|toe|elbow|nose] and [cried|went home]. {child1}
      [got|fetched|found] a [broom|mop|bucket|cloth] and [swept|wiped|washed] [it all|everything]. |
      The room of {child1} was full of [socks|blocks|dolls|cars|papers]. {child1} [missed|needed|wanted] {his1}
      {color} {thing}. {child2} [held|brought] a [box|bag|basket], and {child1} [put things away|tidied
      up|cleaned|picked them up] [until noon|until dinner|for an hour|with a song].`,
    'Soon everything was clean.|Now it was nice again.|{child1} felt good about it.',
  ),
  theme(
    'good things are worth waiting for',
    `
      {child1} [planted|sowed] [seeds|beans] {where} and [looked|checked] [each|every] [day|hour|morning].
      "[Wait|Not yet]," said {child2}. {child1} [waited|slept|watered them], and [later|in May|in June|in summer]
      {child1} [ate|picked] [big|sweet|ripe] {crops}. |
      {child1} [wanted|hoped] to [eat|taste|try] the [apples|pears|grapes|cherries|peaches|berries|lemons] [at
      once|now|too soon], but {child2} [said|knew|thought] they were [sour|unripe|green|hard]. {child1}
      [played|sang|drew|read] {where} [for an hour|until four|until they were ready].`,
    'They tasted very good.|{child1} took a big bite and smiled.|How sweet they were!',
  ),
  theme(
    'do not take what is not yours',
    `
      {child1} [took|grabbed|hid] the {color} {thing} of {child2} and [put|kept|left] it [under|behind|beneath]
      [{his1} bed|the box|a rock|the stairs]. {child2} [cried|looked|searched] {where} [all day|until dark|for
      hours]. {child1} [saw|heard] it and [felt|was] [bad|sad|ashamed], so {child1} [brought|gave] it back. |
      {child1} the {animal} [crept|sneaked] [in|up] to [steal|grab|take] {foods} from {child2}. The {size}
      {animal} [saw|caught|stopped] {him1} {where}. {child1} had to [sweep|paint|clean|wash] the
      [steps|floor|barn|wall] [for a week|until Sunday|for {child2}].`,
    '{child1} never did it again.|"I am sorry," said {child1}.|{child2} was glad that it was over.',
  ),
  theme(
    'keep your promises',
    `
      {child1} [promised|had promised] to [help|visit|meet] {child2} {where}. It [rained|snowed|was late|was
      windy], and {child1} [wanted|wished] to [rest|play|sleep|read]. But {child1} [wore|took] {his1} {color}
      [hat|boots|coat] and [went|set out]. {child2} [was waiting|smiled]. |
      {child1} the {animal} [borrowed|took home] the {color} {toy4} of {child2} [for one day|for a day|for a
      night|for a week]. {child1} [loved|liked] it, but {he1} [handed|brought|gave] {child2} the {toy4} [on
      Monday|on Friday|at noon] [as agreed|just in time].`,
    '{child2} was so happy.|"I knew I could trust you," said {child2}.|{child2} gave {child1} a big hug.',
  ),
  theme(
    'practice makes you better',
    `
      {child1} could not [kick|throw|catch|hit] the {color} ball. {child2} [showed|taught|helped] {him1} {where}
      [each|every] [day|morning|evening|Sunday], and {child1} [got|grew] [faster|better|stronger]. At the
      [game|match|big game], {child1} [scored|won] for {his1} team. |
      The [drum|song|flute|horn|fiddle] of {child1} [sounded|was] [bad|awful|very loud]. {child2} [ran|hid|covered
      {his2} ears]. But {child1} [played|practiced] {where} [for weeks|all winter|until spring|all month], and
      [now|then] {child2} [stayed|came|sat down] to [hear|listen].`,
    '{child2} was very impressed.|{child1} was proud and happy.|Everybody clapped.',
  ),
  theme(
    'many hands make light work',
    `
      {child1} [could not|tried to] [pull|push|lift|move] a [big|heavy] [log|rock|cart|pumpkin|box] {where}[
      alone|]. {child2} [helped|joined in], and the {animal} and the {animal} [came|followed]. [Together|Side by
      side|Now], they [pulled|pushed|lifted] [hard|and sang|as one], [until|and] it [rolled|moved|budged]. |
      The {family} of {child1} had [so many|a mountain of] {foods} to [wash|peel|sort|carry|pick]. {child1}
      [asked|called] {child2} and a [few|lot of] [friends|cousins|neighbors]. They [sang|joked|laughed], and
      [by|before] [noon|lunch|dinner|five] {child1} [carried|put away] the last [bag|bowl|pot].`,
    'They were tired but happy.|It had been so easy.|Then they all had a nice meal.',
  ),
  theme(
    'it is good to be different',
    `
      {child1} was the only {color} {animal} {where}. {child2} [stared|laughed|pointed], and {child1}
      [hid|cried|left]. [But|Then] [one night|on Monday|in winter|in May], {child2} got [lost|scared], and {he2}
      [found|saw] only {child1}, who [shone|glowed|gleamed] like [a star|a lamp|the moon]. |
      {child1} had [very long|very big|round|floppy] [ears|feet|teeth|whiskers], and {child2}
      [giggled|laughed|whispered]. Then a {color} {thing} [fell|slipped|rolled] [under|behind] the
      [shelf|stove|bed|log|sofa]. {child1} [reached|got|saved] it [easily|at once|quickly], and {child2}
      [cheered|stared].`,
    '{child2} was glad to have {him1}.|"I like you as you are," said {child2}.|{child1} smiled and stood tall.',
  ),
  theme(
    'a please and a thank you open many doors',
    `
      "Give me [that|the] {thing}!" [shouted|said|yelled] {child1}. {child2} [shook {his2} head|turned away|said
      no]. {child1} [thought|waited|sighed] and [asked|begged] {child2} [nicely|softly|sweetly|again], and
      {child2} [gave|handed|brought] it to {him1} {where}. |
      {child1} [asked|begged] {his1} {family} for {foods}, [loudly|with a frown|without a smile]. {child2}
      [asked|spoke] [kindly|nicely|softly] and got [three|five|a plateful|a bagful]. {child1} [saw|noticed] it,
      [smiled|bowed|nodded] and [asked|tried] [politely|nicely|again].`,
    'It worked at once.|Now everyone was happy.|{child1} smiled and said thank you.',
  ),
  theme(
    'take good care of your things',
    `
      {child1} [left|lost] {his1} {color} {toy4} {where} [all night|in the rain|in the snow]. [Later|By morning|By
      noon], the {toy4} was [wet|dirty|muddy|ruined]. {child2} [helped|came] to [look|fix it|search|dry it], and
      {child1} [cried|was sad]. |
      {child1} never [washed|cleaned|brushed] {his1} [bike|cart|wagon|scooter|sled], but {child2} [did|cleaned
      {his2} own] [often|every week|on Sundays]. {time}, {child1} had to [stop|walk|wait] {where}, but {child2}
      [went|raced|moved] on.`,
    '{child1} learned a lot that day.|"I will do better," said {child1}.|{child1} was sorry for it.',
  ),
  theme(
    'a small gift can mean a lot',
    `
      {child1} had no [money|coins] for [gifts|presents|a party], but {child2} [was ill|felt lonely|had a
      birthday]. So {child1} [chose|picked|found] a {color} [flower|leaf|stone|feather] {where}. {child2}
      [put|kept|laid] it [by|near|beside] {his2} [bed|door|window|chair]. |
      {child2} the {animal} had a [birthday|party] {where}. The {animal} gave {him2} a [big|new] {toy}, and
      {child1} [brought|gave {him2}|had] only {foods} and a [song|poem|hug|kiss]. {child2} [cried|smiled|laughed]
      with joy.`,
    '"I love it," said {child2}.|It was the best gift of all.|{child2} hugged {child1} for a long time.',
  ),
  theme(
    'do not laugh at others',
    `
      {child1} [fell|slipped|tripped] {where}, and {child2} [laughed|giggled] [loudly|a lot|at {him1}]. Then
      {child2} [ran|danced|jumped] [over|into] [a {thing}|the mud|a puddle] and [fell|slipped] [too|as well].
      {child1} did not [laugh|smile]; {he1} [helped|pulled] {him2} up. |
      {child2} the {animal} [laughed|made jokes] about the {color} [hat|coat|nose|shoes|bow] of {child1}. {child1}
      [went home|left|hid] [sadly|in tears|alone]. [Later|Then|At noon], the {animal} [laughed|giggled] at
      {child2}, and [it hurt|that stung|{child2} cried|{he2} wept].`,
    '{child2} felt ashamed.|"I am sorry that I laughed," said {child2}.|{child2} never did that again.',
  ),
  theme(
    'ask for help when you need it',
    `
      {child1} could not [reach|find|get] the {color} {thing}. {He1} [looked|tried|searched] and
      [cried|sighed|groaned] [for an hour|all morning|until noon]. [At last|Then] {he1} [called|asked|went to]
      {child2}, who [reached|found|got] it [at once|quickly|easily]. |
      {child1} the {animal} [got lost|lost {his1} way] {where}. {He1} [walked|ran|went] [round and round|up and
      down|here and there|left and right], [until|and then] {child1} [asked|stopped|met] {child2}, who
      [knew|showed {him1}] the [road|way|path] [home|well].`,
    'How easy it was!|"Why did I not ask before?" said {child1}.|{child1} thanked {child2}.',
  ),
  theme(
    'it is better not to brag',
    `
      "I am the [best|fastest|strongest|bravest] {animal} {where}!" [said|shouted|sang] {child1}. {child2} [said
      nothing|only smiled|went on working]. Then {child1} had to [lift|move|carry|turn] a [log|barrel|stone|wheel]
      for the {animal}, and {child1} [failed|gave up], but {child2} [did it|made it|managed]. |
      {child1} [told|kept telling] {child2} about {his1} [fine|fast|great|new] {color} {toy}. {child1}
      [showed|used] it {where}, and it [broke|fell apart|stopped] [at once|right away|in a minute]. {child2}
      [helped|fixed it|lent {him1} {his2} own].`,
    '{child1} turned very red.|{child1} was quiet after that.|{child1} did not talk so big anymore.',
  ),
];

/** Continuations without a moral; they suit every story. */
export const stylePlainEndings = choices(`
  [Then|After that,] they [both|] [went|walked|ran] home and [ate|had] {foods}. |
  They [played|sang|danced] until [it was dark|dinner|the sun went down]. |
  {child1} [smiled|waved|nodded|laughed], and so did {child2}. |
  It was a [nice|long|good|busy] day. [The end.|They were tired.|Then they went to bed.] |
  {child2} [went|ran] home, and {child1} [went to bed|had a nap|ate some soup]. |
  {child1} had a {toy}. {He1} [played|had fun] with it all day.`);

export const styleComments = choices(`
  The moral is missing. |
  Please end with a moral. |
  Nice, but where is the moral? |
  I want to know what we learn. |
  It just stops.`);
