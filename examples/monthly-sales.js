// Sales by month: real rows in, one summary a month out. Run it with
//   glovebox run examples/monthly-sales.js --input examples/sales.json
import _ from 'lodash';
import { format, parseISO } from 'date-fns';

const byMonth = _.groupBy(input.sales, (sale) => format(parseISO(sale.date), 'yyyy-MM'));

const months = _.sortBy(Object.keys(byMonth)).map((month) => {
  const sales = byMonth[month];
  const total = _.sumBy(sales, 'amount');
  console.log('%s: %d sales', format(parseISO(`${month}-01`), 'MMMM yyyy'), sales.length);
  return {
    month,
    sales: sales.length,
    total: _.round(total, 2),
    average: _.round(total / sales.length, 2),
    best: _.maxBy(sales, 'amount').product,
  };
});

return { currency: input.currency, months };
