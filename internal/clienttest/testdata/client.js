// Drives a service with frappe-js-sdk: node client.js URL
const assert = require('node:assert/strict');
const { FrappeApp } = require('frappe-js-sdk');

const url = process.argv[2];
const as = (key) => new FrappeApp(url, { useToken: true, token: () => `${key}:${key}secret`, type: 'token' });

// refused wants a call to fail with the given status and exc_type.
async function refused(promise, status, type) {
  const error = await promise.then(() => null, (e) => e);
  assert.ok(error, `expected ${type}, but the call succeeded`);
  assert.equal(error.httpStatus, status, JSON.stringify(error));
  assert.equal(error.exc_type, type, JSON.stringify(error));
  return error;
}

async function documents(db) {
  const made = await db.createDoc('Customer', { customer_name: 'Ada / 1%', customer_type: 'Company' });
  assert.equal(made.name, 'Ada / 1%');
  assert.equal(made.doctype, 'Customer');
  assert.equal((await db.getDoc('Customer', 'Ada / 1%')).customer_name, 'Ada / 1%');
  await db.createDoc('Customer', { customer_name: 'Bob', customer_type: 'Individual' });
  const updated = await db.updateDoc('Customer', 'Bob', { notes: 'two' });
  assert.equal(updated.notes, 'two');
  assert.deepEqual(await db.getDocList('Customer', {
    fields: ['name', 'customer_type'], filters: [['customer_type', '=', 'Individual']], orderBy: { field: 'name', order: 'asc' }, limit: 5,
  }), [{ name: 'Bob', customer_type: 'Individual' }]);
  assert.equal((await db.getDocList('Customer')).length, 2);
  assert.deepEqual(await db.getDocList('Customer', { fields: ['name'], limit: 1, limit_start: 1, orderBy: { field: 'name' }, asDict: false }), [['Bob']]);
  assert.equal((await db.getLastDoc('Customer')).name, 'Bob');
  assert.equal(await db.getCount('Customer'), 2);
  assert.equal(await db.getCount('Customer', [['name', '=', 'Bob']]), 1);
  assert.deepEqual((await db.getValue('Customer', 'notes', [['name', '=', 'Bob']])).message, { notes: 'two' });
  assert.deepEqual((await db.getValue('Customer', ['notes', 'name'], [['name', '=', 'Bob']])).message, { notes: 'two', name: 'Bob' });
  assert.deepEqual((await db.getValue('Customer', 'notes', [['name', '=', 'Nobody']])).message, {});
  assert.deepEqual((await db.getValue('Customer', 'notes', [['name', '=', 'Bob']], false)).message, ['two']);
  assert.equal((await db.setValue('Customer', 'Bob', 'notes', 'three')).message.notes, 'three');
  assert.equal((await db.setValue('Customer', 'Bob', { notes: 'four', credit_limit: 9 })).message.credit_limit, 9);
  assert.equal((await db.renameDoc('Customer', 'Bob', 'Bobby')).message, 'Bobby');
  assert.equal((await db.getDoc('Customer', 'Bobby')).notes, 'four');
}

async function orders(db) {
  const order = await db.createDoc('Sales Order', {
    customer: 'Bobby', transaction_date: '2026-01-10', items: [{ item_code: 'Pen', qty: 2 }, { item_code: 'Ink', qty: 1 }],
  });
  assert.equal(order.items.length, 2);
  const lines = await db.getDocList('Sales Order', { fields: ['name', 'items.item_code'], filters: [['name', '=', order.name]] });
  assert.deepEqual(lines.map((line) => line.item_code), ['Pen', 'Ink']);
  const submitted = await db.submit(await db.getDoc('Sales Order', order.name));
  assert.equal(submitted.docstatus, 1);
  assert.equal(submitted.items.length, 2);
  await refused(db.updateDoc('Sales Order', order.name, { customer: 'Ada / 1%' }), 417, 'UpdateAfterSubmitError');
  await refused(db.deleteDoc('Sales Order', order.name), 417, 'ValidationError');
  assert.equal((await db.cancel('Sales Order', order.name)).message.docstatus, 2);
  assert.deepEqual(await db.deleteDoc('Sales Order', order.name), { data: 'ok' });
}

async function errors(db, clerk) {
  const missing = await refused(db.getDoc('Customer', 'Nobody'), 404, 'DoesNotExistError');
  assert.match(JSON.parse(JSON.parse(missing._server_messages)[0]).message, /Customer Nobody not found/);
  const invalid = await refused(db.createDoc('Customer', {}), 417, 'ValidationError');
  assert.match(invalid.exception, /^frappe\.exceptions\.ValidationError: /);
  await refused(db.createDoc('Customer', { customer_name: 'Bobby' }), 409, 'DuplicateEntryError');
  await refused(clerk.db().deleteDoc('Customer', 'Bobby'), 403, 'PermissionError');
  await refused(as('nobody').db().getCount('Customer'), 401, 'AuthenticationError');
}

async function calls(app) {
  assert.equal(await app.auth().getLoggedInUser(), 'manager@example.com');
  const call = app.call();
  assert.deepEqual((await call.get('frappe.desk.search.search_link', { doctype: 'Customer', txt: 'bob', filters: { customer_type: 'Individual' }, page_length: 5, query: null })).message.map((hit) => hit.value), ['Bobby']);
  assert.deepEqual(await call.post('frappe.client.get_list', { doctype: 'Customer', filters: { name: 'Bobby' } }), { message: [{ name: 'Bobby' }] });
  assert.equal((await call.put('frappe.client.set_value', { doctype: 'Customer', name: 'Bobby', fieldname: 'notes', value: 'put' })).message.notes, 'put');
  assert.deepEqual(await call.delete('frappe.client.delete', { doctype: 'Customer', name: 'Bobby' }), {});
}

async function main() {
  const app = as('manager');
  const admin = as('admin').db();
  for (const code of ['Pen', 'Ink']) await admin.createDoc('Item', { item_code: code, item_name: code });
  await documents(app.db());
  await admin.updateDoc('Shop Settings', 'Shop Settings', { max_lines: 7 });
  assert.equal((await admin.getSingleValue('Shop Settings', 'max_lines')).message, 7);
  assert.equal((await admin.getDoc('Shop Settings')).max_lines, 7);
  await orders(app.db());
  await errors(app.db(), as('clerk'));
  await calls(app);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
