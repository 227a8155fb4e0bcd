// SPDX-License-Identifier: GPL-2.0
// The page does without this, but for what is said of cells that did not fail, and filters.
const data = JSON.parse(document.getElementById('data').textContent);
const grid = document.querySelector('#matrix table');
const dialog = document.getElementById('cell');
const value = id => document.getElementById(id).value;

// What is known of a cell; one that failed has it on the page.
function told(number) {
	const [result, name, why, ms, log] = data.cells[number];
	const here = document.getElementById('c' + number);
	const box = document.createElement('div');
	if (here) {
		box.append(...here.cloneNode(true).childNodes);
		const details = document.createElement('details');
		details.open = true;
		details.append(...box.childNodes);
		return details;
	}
	const line = document.createElement('p');
	const glyph = document.createElement('i');
	glyph.className = result;
	glyph.textContent = { p: '✓', n: '·' }[result];
	line.append(glyph, ` ${name}`, data.texts[why] ? `: ${data.texts[why]}` : '', ms ? ` (${ms} ms)` : '');
	box.append(line);
	if (log.length) {
		const text = document.createElement('pre');
		text.textContent = log.map(number => data.texts[number]).join('\n');
		box.append(text);
	}
	return box;
}

document.addEventListener('click', event => {
	const cell = event.target.closest('.grid td');
	if (!cell || !cell.dataset.i)
		return;
	event.preventDefault();
	const title = document.createElement('h3');
	title.textContent = cell.title.split('\n')[0];
	dialog.lastElementChild.replaceChildren(title, ...cell.dataset.i.split(',').map(told));
	dialog.showModal();
});
dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });

function open_target() {
	const details = location.hash.startsWith('#c') && document.getElementById(location.hash.slice(1));
	if (details)
		details.open = true;
}
addEventListener('hashchange', open_target);
open_target();

// Text that a row has shows that row; text that a column has, that column.
function filter() {
	if (!grid)
		return;
	const words = value('text').toLowerCase().split(/[\s\/]+/).filter(Boolean);
	const has = (element, word) => element.dataset.t.includes(word);
	const heads = [...grid.tHead.rows[0].cells].slice(1);
	const rows = [...grid.querySelectorAll('tbody tr[data-t]')];
	const of_columns = words.filter(word => heads.some(head => has(head, word)) &&
		!rows.some(row => has(row, word)));
	const result = value('result'), mode = value('mode');
	const glyph = 'i' + (result && '.' + result) + (mode && '.m' + mode);
	grid.className = ['grid', mode && 'one', result && 'show-' + result].filter(Boolean).join(' ');
	for (const row of rows)
		row.hidden = !words.every(word => of_columns.includes(word) || has(row, word)) ||
			!row.querySelector(glyph);
	for (const group of grid.querySelectorAll('tr.group')) {
		let row = group.nextElementSibling;
		while (row && row.hidden)
			row = row.nextElementSibling;
		group.hidden = !row || row.className === 'group';
	}
	const style = heads.flatMap((head, number) => of_columns.every(word => has(head, word)) ? [] :
		[`#matrix tr:not(.group) > :nth-child(${number + 2}) { display: none }`]);
	if (mode)
		style.push(`#matrix td i:not(.m${mode}) { display: none }`);
	document.getElementById('columns').textContent = style.join('\n');
}
document.getElementById('filter').addEventListener('input', filter);
document.getElementById('filter').addEventListener('submit', event => event.preventDefault());
filter();
