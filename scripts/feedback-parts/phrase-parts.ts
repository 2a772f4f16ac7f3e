import { choices } from './words.ts';

/** What happens at the end of a small story. All speak of `{child1}` and `{child2}`. */
export const phraseEvents = choices(`
  {child1} gave the {color} {thing} back to {child2} and [hugged|thanked|kissed] {him2}. |
  The {size} {animal1} [led|carried|brought] {child1} and {child2} home [across|past|around] the {spot}. |
  {child1} and {child2} found the [lost|missing|stolen] {animal1} [asleep|safe|waiting] {where}. |
  The [storm|rain|snow|fog] [stopped|ended|passed], and {child1} [helped|found|hugged] {child2} {where}. |
  {child1} [planted|cooked|picked|shared] the {crops} with {child2} and the {size} {animal1}. |
  The [king|queen|witch|giant|wizard] [let|set] {child1} and {child2} [go|free] with a {color} {thing}. |
  {child1} [was sorry|said sorry|felt bad] about the {toy}, and {child2} [smiled|nodded|laughed|forgave {him1}]. |
  The [bad|angry|mean|wild] {animal} ran away from {child1}, and {child2} [cheered|clapped|danced|sang]. |
  {child1} the {animal} [fixed|mended|washed|painted] the {toy}, and {child2} the {animal}
  [cheered|clapped|helped]. |
  {child2} opened the {color} [door|gate|box|trunk|bag|chest|cupboard|tent], and [there lay|inside was|out fell]
  the {thing} of {child1}. |
  At last, {child1} [caught|saved|fed|freed] the {size} {animal1}, and {child2} [held|petted|washed|brushed] it. |
  {child2} [built|fixed|cleaned|painted] a {color} [house|boat|bridge|barn|cart] for {child1} {where}. |
  The {animal1} and the {animal} [stopped fighting|made up|shook hands] and shared {foods} with {child1} and
  {child2}. |
  {child1} was not [afraid|lonely|sad|angry], [because|since] {child2} [stayed|came back|was there|held {his1}
  hand]. |
  The {family} of {child1} [baked|made|brought] {treats} for {child2} and the {animal1}. |
  {child1} [married|danced with] {child2} {where}, and a {size} {animal} [held|brought|carried] the
  [flute|drum|ring|flowers|cake|lamp|crown]. |
  {child2} [woke up|got well|came home|opened {his2} eyes], and {child1} [jumped for joy|cried happy tears|laughed
  out loud]. |
  {child1} [sold|gave away|buried] the magic {thing}, and {child2} [lit|painted|shared] the {color} {thing}.`);

/** How the last sentence starts, up to the place where the phrase would come. */
export const phraseLeads = choices(`
  And they all lived |
  They all lived |
  And they lived |
  So they lived |
  After that, they lived |
  {child1} and {child2} lived |
  So {child1} and {child2} lived |
  And {child1} and {his1} [friend|{family}] lived |
  {child2} and the {animal1} lived |
  {child1}, {child2} and the {animal1} lived |
  After that, {child1} and {his1} {family} lived |
  And so they lived |
  And {child2} and {child1} lived |
  From then on, {child2} and {his2} {family} lived |
  The whole family lived |
  The {animal1} and {his1} children lived`);

/** Other ends than the unwanted phrase. */
export const phraseEndings = choices(`
  in [a|the] [warm|cozy|small|bright|tidy|white|quiet] [house|cottage|cabin|hut|home] [by the lake|near the
  woods|on the hill|by the sea|at the edge of town|next to the mill|behind the orchard]. |
  together in [a|the] [warm|cozy|small|yellow|old|blue] [house|cottage|cabin|barn|farmhouse], and [every
  evening|on Sundays|in the winter] they [baked bread|told stories|sang songs|drank hot milk|made soup|played
  cards]. |
  next door to [a baker|a kind old man|a farmer|a painter|a band of mice] and [grew|shared|sold|picked] {crops}. |
  by the [river|sea|lake|forest|meadow] and [went fishing|went swimming|had a picnic|fed the ducks|flew kites]
  every [Sunday|week|summer|morning]. |
  on a [little|green|busy|quiet] farm with [two|three|five|ten] [hens|goats|sheep|ponies|cows]. |
  in the same [street|village|valley|town] and [met|ate|played|sang] together every [day|week|evening|Friday]. |
  near the [bakery|school|market|windmill|station], where it always smelled of [bread|flowers|apples|rain|cake]. |
  under one roof and took turns to [cook dinner|wash the dishes|feed the animals|sweep the floor|water the
  plants].`);

export const phraseComments = choices(`
  Please do not end like this. |
  I have read this ending too often. |
  Not this phrase again. |
  Another ending, please. |
  Every story ends this way.`);
