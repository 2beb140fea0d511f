import { describe, expect, test } from 'vitest';
import { format, parse, pathOf, secondsOf } from './url';

describe('the address', () => {
  test('gives back what it was given', () => {
    for (const query of [
      'range=15m&compare=1d&by=unit&tz=Asia%2FShanghai&lang=zh&theme=dark&q=a+b%26c&owner=team-guide&status=critical&sort=qps&dir=asc',
      'from=1762819200&to=1762819500&compare=',
      'lang=zh&half=left',
    ]) {
      const once = format(parse(`?${query}`));
      expect(format(parse(`?${once}`))).toBe(once);
      expect(parse(`?${once}`)).toEqual(parse(`?${query}`));
    }
  });

  test('leaves out what is as usual', () => {
    expect(format(parse('?range=5m&tz=browser&dir=desc&compare=1d,7d'))).toBe('');
  });

  test('bad values fall back', () => {
    const state = parse('?range=99w&tz=Mars%2FBase&theme=blue&by=pod&from=9&to=3&compare=3y&dir=up&lang=xx');
    expect(state).toMatchObject({ range: '5m', tz: 'browser', theme: 'auto', by: '', compare: [], dir: 'desc' });
    expect(state.from).toBeUndefined();
    expect(parse('?from=NaN&to=1e99').from).toBeUndefined();
  });

  test('paths are taken apart below any base', () => {
    expect(pathOf('/guard/f/guide/a%2Fb', '/guard/')).toEqual(['f', 'guide', 'a/b']);
    expect(pathOf('/f/guide/%E6%8E%A8%E8%8D%90', '/')).toEqual(['f', 'guide', '推荐']);
    expect(pathOf('/f/guide/%zz', '/')).toEqual(['f', 'guide', '%zz']);
    expect(pathOf('/', '/')).toEqual([]);
    expect(secondsOf('24h')).toBe(86_400);
  });
});
