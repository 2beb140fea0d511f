import chart from './chart';
import fleet from './fleet';
import functionWords from './function';
import incidents from './incidents';
import rules from './rules';
import shell from './shell';
import system from './system';

export default { ...shell, ...fleet, ...functionWords, ...incidents, ...chart, ...rules, ...system };
