import { start } from '../shared/start.tsx';
import { Playground } from './playground.tsx';

start(<Playground />);
