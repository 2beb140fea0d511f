import { describe, expect, it } from 'vitest';
import { cell, csv, fileName } from './csv';

describe('csv', () => {
  it('never lets a spreadsheet calculate a text', () => {
    for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1']) {
      expect(cell(text).replace(/^"/, '')).toMatch(/^'/);
    }
    expect(cell('=HYPERLINK("http://x","y")')).toBe('"\'=HYPERLINK(""http://x"",""y"")"');
    expect(cell(-1.5)).toBe('-1.5');
  });

  it('quotes what would break a line', () => {
    expect(cell('a,b')).toBe('"a,b"');
    expect(cell('say "hi"')).toBe('"say ""hi"""');
    expect(cell('two\nlines')).toBe('"two\nlines"');
    expect(cell('plain 中文')).toBe('plain 中文');
  });

  it('leaves a gap empty', () => {
    expect(csv(['time', 'calls'], [['10:00', null], ['10:01', 0], ['10:02', Number.NaN]])).toBe(
      'time,calls\r\n10:00,\r\n10:01,0\r\n10:02,\r\n',
    );
  });

  it('names files that every file system takes', () => {
    expect(fileName(['guide/feed', '..', 'QPS'], 'csv')).toBe('guide-feed-..-QPS.csv');
    expect(fileName(['../../etc'], 'csv')).toBe('etc.csv');
    expect(fileName(['<script>'], 'png')).toBe('script.png');
    expect(fileName(['///'], 'png')).toBe('rampart.png');
    expect(fileName(['成功率'], 'png')).toBe('成功率.png');
  });
});
