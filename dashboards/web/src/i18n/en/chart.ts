export default {
  'chart.time': 'Time',
  'chart.asTable': 'Table',
  'chart.asPicture': 'Chart',
  'chart.tableOf': '{title} as a table',
  'chart.thinned': '{shown} of {all} instants; lows and highs are kept, the CSV file has all',
  'chart.empty': 'Nothing was measured in this stretch.',
  'chart.incomplete': 'may still change',
  'chart.keys': 'Left and right arrows move through time, Page Up and Page Down by a tenth, Home and End to the ends; Escape leaves.',
  'chart.summary': '{title}, {unit}, {span}. {series}: newest {newest}, lowest {lowest}, highest {highest}.',
  'chart.summaryEmpty': '{title}, {unit}, {span}: nothing measured.',
};
