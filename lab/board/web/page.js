// The page of `evenkeel lab`: it draws the state it is sent and posts orders. It keeps nothing.
'use strict';

const $ = (id) => document.getElementById(id);
const svgNS = 'http://www.w3.org/2000/svg';
const letters = ['a', 'b'], serverLetters = ['c', 'd'];

// h makes an element; children that are strings become text.
function h(tag, attrs = {}, ...children) {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) if (v !== undefined && v !== false) el.setAttribute(k, v === true ? '' : v);
  el.append(...children);
  return el;
}
function s(tag, attrs = {}, ...children) {
  const el = document.createElementNS(svgNS, tag);
  for (const [k, v] of Object.entries(attrs)) el.setAttribute(k, v);
  el.append(...children);
  return el;
}
// set changes text only when it differs, so that a reader's selection and a screen reader's
// attention stay where they are.
function set(el, text) { if (el.textContent !== text) el.textContent = text; }
function attr(el, name, value) { if (el.getAttribute(name) !== value) el.setAttribute(name, value); }

const seconds = (ms) => (ms / 1000).toFixed(1) + ' s';
function millis(ms) { return ms >= 10000 ? seconds(ms) : Math.round(ms).toLocaleString('en') + ' ms'; }
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
const letterOf = (st, node) => letters[st.nodes.findIndex((n) => n.name === node)] || 'a';
// Who answers the client: the web servers behind the nodes, or the nodes themselves.
const answering = (st) => (st.servers.length ? st.servers : st.nodes);
const answeringLetters = (st) => (st.servers.length ? serverLetters : letters);
// How many requests a host answered in the last full stretch of the timeline; a slow one's answers are still due.
const lately = (st, host) => (st.timeline.served[host.name] || []).slice(host.state === 'slow' ? -8 : -2, -1).reduce((a, b) => a + b, 0);
const ordinal = (n) => n + (['th', 'st', 'nd', 'rd'][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] || 'th');

// ---- the sentence at the top ----

function verdict(st) {
  const holders = st.holders;
  if (st.phase === 'building') return ['idle', 'the site is being built'];
  if (holders.length > 1) return ['bad', holders.join(' and ') + ' both answer for the address'];
  if (st.servers.length) {
    const wrong = st.timeline.bad.filter(([start, , kind]) => kind === 1 && start > st.now - 1000).length;
    if (wrong && st.servers.some((w) => lately(st, w))) return ['warn', 'some of the requests fail'];
  }
  if (st.client.down > 0) return ['bad', 'the client has had no answer for ' + seconds(st.client.down)];
  if (st.client.hanging > 0) return ['warn', 'requests are waiting for an answer'];
  if (!st.client.server) return ['idle', 'nobody holds the address yet'];
  if (st.servers.length) return holders.length ? ['good', holders[0] + ' serves the client'] : ['idle', 'nobody holds the address yet'];
  return ['good', st.client.server + ' serves the client'];
}

// ---- the map ----

// Two layouts of the same picture: text on a phone must not shrink with the drawing.
const slim = matchMedia('(max-width: 640px)');
const wideMap = { box: '0 0 520 330', half: 105, client: [260, 34], switch: [260, 142], observer: [436, 142], nodes: [[124, 262], [396, 262]] };
const slimMap = { box: '0 0 380 312', half: 91, client: [128, 28], switch: [128, 126], observer: [314, 126], nodes: [[95, 246], [285, 246]] };
// With web servers behind the nodes both are longer.
const deep = { [wideMap.box]: ['0 0 520 466', 418], [slimMap.box]: ['0 0 380 428', 388] };

function nodeChip(n) {
  if (n.director === 'stopped') return ['c-bad', 'stopped'];
  if (n.director === 'frozen') return ['c-warn', 'frozen'];
  const state = n.vrrp.state || 'starting';
  return [{ MASTER: 'c-master', BACKUP: 'c-backup', FAULT: 'c-bad' }[state] || 'c-warn', state];
}

function drawMap(st) {
  const proxied = st.servers.length > 0;
  const server = proxied ? st.holders[0] : st.client.server; // the node that serves
  const busy = st.servers.map((w) => lately(st, w) > 0);
  const served = server && (proxied ? busy.some((x) => x) : st.client.down === 0);
  const down = st.client.down > 0 && !served;
  // Drawing again would start the moving dashes anew, so that happens at changes only.
  const key = JSON.stringify([slim.matches, served, server, down, st.holders, busy, st.nodes.map((n) => [n.director, n.vrrp.state, n.web, n.cable, n.answers]),
    st.servers.map((w) => [w.state, w.seen])]);
  if (drawMap.key === key) return;
  drawMap.key = key;
  const place = slim.matches ? slimMap : wideMap, half = place.half;
  attr($('map'), 'viewBox', proxied ? deep[place.box][0] : place.box);
  const links = [], boxes = [], badges = [];
  const [cx, cy] = place.client, [sx, sy] = place.switch;
  const way = served ? letterOf(st, server) + ' flow' : (down ? 'down' : '');
  links.push(s('line', { class: 'link ' + way, x1: cx, y1: cy + 21, x2: sx, y2: sy - 17 }));
  links.push(s('line', { class: 'link', x1: sx + 62, y1: sy, x2: place.observer[0] - 59, y2: sy, 'stroke-dasharray': '1 5' }));
  boxes.push(box(cx, cy, 152, 42, '', 'client', 'one request every ' + st.client.every + ' ms'));
  boxes.push(box(sx, sy, 124, 34, '', 'switch', ''));
  boxes.push(box(place.observer[0], sy, 118, 42, '', 'observer', 'ARP every 0.5 ms'));
  st.nodes.forEach((n, i) => {
    const [nx, ny] = place.nodes[i], l = letters[i];
    const from = [sx + (nx < sx ? -34 : 34), sy + 17], to = [nx, ny - 48];
    let cls = 'link';
    if (!n.cable) cls += ' cut';
    else if (served && server === n.name) cls += ' ' + l + ' flow';
    links.push(s('line', { class: cls, x1: from[0], y1: from[1], x2: to[0], y2: to[1] }));
    if (!n.cable) {
      const mx = (from[0] + to[0]) / 2, my = (from[1] + to[1]) / 2;
      links.push(s('path', { class: 'cross', d: `M${mx - 7} ${my - 7}l14 14m0 -14l-14 14` }));
    }
    boxes.push(s('rect', { class: 'box ' + l + (n.answers ? ' holds' : ''), x: nx - half, y: ny - 48, width: 2 * half, height: 104, rx: 9 }));
    boxes.push(s('text', { class: 'name', x: nx - half + 13, y: ny - 26 }, n.name));
    boxes.push(s('text', { class: 'sub', x: nx - half + 13, y: ny - 10 }, n.address));
    const [cc, label] = nodeChip(n);
    boxes.push(chip(nx + half - 9, ny - 41, cc, label));
    boxes.push(s('text', { class: 'sub', x: nx - half + 13, y: ny + 10 }, (n.table ? ways[st.kind] : (proxied ? 'proxy' : n.web_unit) + ' ' + n.web) + (n.cable ? '' : ' · cable out')));
    if (n.answers) badges.push(badge(nx, ny + 36, l, st.address));
  });
  st.servers.forEach((w, i) => drawServer(st, w, i, place, { links, boxes }, served && busy[i] ? server : ''));
  if (st.holders.length === 0) badges.push(badge(sx, sy + 66, 'none', 'nobody answers'));
  $('links').replaceChildren(...links);
  $('boxes').replaceChildren(...boxes);
  $('badges').replaceChildren(...badges);
  set($('map-t'), `Client, switch and two nodes${proxied ? ', two web servers behind them' : ''}. ${st.holders.join(' and ') || 'Nobody'} answers for ${st.address}. ` +
    st.nodes.map((n) => `${n.name}: ${nodeChip(n)[1]}, ${n.table ? 'forwards by ' + ways[st.kind] : (proxied ? 'proxy ' : 'web server ') + n.web}, cable ${n.cable ? 'in' : 'out'}`).join('. ') + '.' +
    st.servers.map((w) => ` ${w.name}: ${w.state}, ${seenAs(st, w)}.`).join(''));
}

// drawServer adds a web server behind the nodes to the map, with a line to each proxy: the one that sends it
// requests flows, one that has taken it out is cut. by is the node that sends it requests now.
function drawServer(st, w, i, place, to, by) {
  const half = place.half, x = place.nodes[i][0], y = deep[place.box][1];
  st.nodes.forEach((n, k) => {
    const nx = place.nodes[k][0] + (i - k) * 16, out = /^(DOWN|MAINT)/.test(w.seen[n.name] || '');
    to.links.push(s('line', { class: 'link thin' + (out ? ' cut' : by === n.name ? ' ' + serverLetters[i] + ' flow' : ''), x1: nx, y1: place.nodes[k][1] + 56, x2: x + (k - i) * 16, y2: y - 30 }));
  });
  to.boxes.push(s('rect', { class: 'box ' + serverLetters[i] + (by ? ' holds' : ''), x: x - half, y: y - 30, width: 2 * half, height: 66, rx: 9 }));
  to.boxes.push(s('text', { class: 'name', x: x - half + 13, y: y - 8 }, w.name));
  to.boxes.push(s('text', { class: 'sub', x: x - half + 13, y: y + 8 }, w.address));
  to.boxes.push(s('text', { class: 'sub', x: x - half + 13, y: y + 25 }, seenAs(st, w)));
  to.boxes.push(chip(x + half - 9, y - 23, w.state === 'running' ? 'c-master' : /slow|frozen/.test(w.state) ? 'c-warn' : 'c-bad', w.state));
}

// How a pair of load balancers forwards.
const ways = { dr: 'direct routing', nat: 'NAT', tun: 'a tunnel' };

// seenAs says how the proxies or load balancers see a web server: in one word if they agree.
function seenAs(st, w) {
  const seen = st.nodes.map((n) => w.seen[n.name] || 'unknown');
  if (st.kind && seen[0] === seen[1]) return seen[0] === 'UP' ? 'in both tables' : seen[0] === 'DOWN' ? 'in no table' : 'not known yet';
  return seen[0] === seen[1] ? 'proxies see it ' + seen[0] : st.nodes.map((n, i) => n.name + ': ' + seen[i]).join(', ');
}
function box(x, y, w, hgt, cls, name, sub) {
  const g = s('g', {}, s('rect', { class: 'box ' + cls, x: x - w / 2, y: y - hgt / 2, width: w, height: hgt, rx: 9 }));
  g.append(s('text', { class: 'name', x, y: sub ? y - 2 : y + 5, 'text-anchor': 'middle' }, name));
  if (sub) g.append(s('text', { class: 'sub', x, y: y + 13, 'text-anchor': 'middle', style: 'font-size:10px' }, sub));
  return g;
}
function chip(right, y, cls, label) {
  const w = label.length * 7.1 + 18;
  return s('g', { class: 'chip ' + cls }, s('rect', { x: right - w, y, width: w, height: 18 }),
    s('text', { x: right - w / 2, y: y + 13, 'text-anchor': 'middle' }, label));
}
function badge(x, y, cls, label) {
  const w = label.length * 7.4 + 26;
  return s('g', { class: 'badge ' + cls }, s('rect', { x: x - w / 2, y: y - 13, width: w, height: 24 }),
    s('text', { x, y: y + 4, 'text-anchor': 'middle' }, label));
}

// ---- the nodes and their buttons ----

const groups = [
  ['Director', [['director-stop', 'Stop', 'fault'], ['director-kill', 'Kill −9', 'fault'], ['director-freeze', 'Freeze', 'fault'], ['director-thaw', 'Thaw', 'mend'], ['director-start', 'Start', 'mend']]],
  ['Cable', [['cable-out', 'Unplug', 'fault'], ['cable-in', 'Plug in', 'mend']]],
  ['Proxy', [['proxy-kill', 'Kill −9', 'fault'], ['proxy-freeze', 'Freeze', 'fault'], ['proxy-thaw', 'Thaw', 'mend']]],
  ['Web server', [['web-stop', 'Stop', 'fault'], ['web-break', 'Break', 'fault'], ['web-start', 'Repair', 'mend']]],
];
const hints = {
  'director-stop': 'end it in order (SIGTERM)', 'director-kill': 'SIGKILL: no time to clean up', 'director-freeze': 'SIGSTOP: it hangs',
  'director-thaw': 'SIGCONT', 'director-start': 'start the director', 'cable-out': 'pull the cable out of the switch', 'cable-in': 'plug the cable in',
  'web-stop': 'end the web server; the check script may start it again', 'web-break': 'end it so that it cannot start again', 'web-start': 'repair and start the web server',
  'proxy-kill': 'SIGKILL to the process that proxies: another is started', 'proxy-freeze': 'SIGSTOP: it hangs, and the check script notices', 'proxy-thaw': 'SIGCONT',
  'server-stop': 'end the program: connections are refused', 'server-freeze': 'SIGSTOP: connections are accepted and never answered',
  'server-slow': 'answers only after two seconds', 'server-500': 'answers every request with status 500', 'server-mend': 'start, thaw, and behave again',
  'bring-back': 'repair, start, thaw and plug in everything',
};
const cards = new Map();

function makeCard(n, l) {
  const c = { buttons: new Map() };
  const button = (action, label, kind) => {
    const b = h('button', { type: 'button', class: kind, 'aria-label': `${label}, ${n.name}: ${hints[action]}` }, label);
    b.addEventListener('click', () => press(n.name, action, b));
    c.buttons.set(action, b);
    return b;
  };
  c.state = h('span', { class: 'state' });
  c.why = h('p', { class: 'why' });
  c.gate = h('dd'); c.web = h('dd'); c.link = h('dd'); c.note = h('dd', { class: 'note' });
  c.count = n.proxy ? [h('dt', {}, 'Requests'), h('dd')] : [];
  if (n.proxy) c.web.append(h('span'), ' · ', h('a', { href: `stats/${n.name}/haproxy`, target: '_blank', 'aria-label': 'Statistics page of ' + n.name }, 'statistics'));
  const has = new Set(n.actions.map((a) => a.action));
  c.root = h('section', { class: 'card node ' + l, 'aria-label': n.name },
    h('div', { class: 'top' }, h('h3', {}, n.name, h('small', {}, n.address)), c.state), c.why,
    h('dl', {}, h('dt', {}, 'Gate'), c.gate, c.note, h('dt', {}, n.proxy ? 'Proxy' : n.table ? 'Flows' : 'Web server'), c.web, ...c.count, h('dt', {}, 'Cable'), c.link),
    ...groups.filter(([, list]) => has.has(list[0][0])).map(([name, list]) => h('fieldset', {}, h('legend', {}, name), h('div', { class: 'buttons' }, ...list.map((x) => button(...x))))),
    h('div', { class: 'all' }, button('bring-back', 'Bring ' + n.name + ' back', 'mend')));
  if (n.table) {
    c.table = h('pre', { class: 'table', tabindex: '0', 'aria-label': 'Forwarding table of ' + n.name });
    c.root.append(h('details', {}, h('summary', {}, 'Table (evenkeel ipvs -Ln)'), c.table));
  }
  c.log = h('pre', { tabindex: '0', role: 'log', 'aria-live': 'off', 'aria-label': 'Journal of ' + n.name });
  c.journal = h('section', { class: 'card journal' }, h('h2', {}, 'Journal of ' + n.name), c.log);
  $('nodes').append(c.root);
  $('journals').append(c.journal);
  cards.set(n.name, c);
  return c;
}

const gateNames = { ebpf: 'eBPF', nft: 'nftables', lifetime: 'address lifetime', off: 'off', none: 'none' };

function drawNode(st, n, i) {
  const c = cards.get(n.name) || makeCard(n, letters[i]);
  const v = n.vrrp;
  const alive = n.director === 'running';
  set(c.state, alive ? (v.state || 'starting') : n.director);
  attr(c.state, 'class', 'state ' + (!alive ? (n.director === 'frozen' ? 'warn' : 'bad') : v.state === 'MASTER' ? 'master' : v.state === 'FAULT' ? 'bad' : ''));
  let why = v.why || '';
  if (!alive) why = `The director is ${n.director}. ` + (v.state ? `Its last word was ${v.state}.` : '');
  else if (v.faults && v.faults.length) why = v.faults.join(', ') + (why ? '; ' + why : '');
  if (alive && v.effective_priority && v.effective_priority !== v.priority) why += ` (priority ${v.effective_priority} of ${v.priority})`;
  set(c.why, why || '…'); attr(c.why, 'title', why);
  const mode = gateNames[v.gate_mode] || v.gate_mode || '…';
  // A director that does not run cannot say how its gate is; the observer's answers do.
  const gate = alive || v.gate !== 'open' ? v.gate : (n.answers ? 'open until its deadline' : 'closed by itself');
  set(c.gate, (gate ? gate + ' · ' : '') + mode);
  const fallback = v.gate_why || '';
  set(c.note, fallback); attr(c.note, 'class', 'note' + (fallback && v.gate_mode !== 'ebpf' ? ' warn' : '')); attr(c.note, 'title', fallback);
  c.note.style.display = st.nodes.some((x) => x.vrrp.gate_why) ? '' : 'none';
  if (n.proxy) drawProxy(c, st, n);
  else if (n.table) drawTable(c, n);
  else set(c.web, `${n.web_unit} ${n.web} · ${n.served.toLocaleString('en')} answers`);
  set(c.link, (n.cable ? 'plugged in' : 'out') + (n.last_advert >= 0 ? ` · last advert ${n.last_advert < 9950 ? seconds(n.last_advert) : Math.round(n.last_advert / 1000) + ' s'} ago` : ''));
  drawButtons(c, n.actions);
  drawJournal(c, n.journal);
}

function drawButtons(c, actions) {
  for (const a of actions) {
    const b = c.buttons.get(a.action);
    if (!b) continue;
    attr(b, 'aria-disabled', a.enabled ? 'false' : 'true');
    attr(b, 'title', a.enabled ? hints[a.action] : a.why);
  }
}

// drawTable shows a director's connections by state, and its table.
function drawTable(c, n) {
  const states = Object.entries(n.table.connections || {}).sort((a, b) => b[1] - a[1]);
  set(c.web, states.map(([state, count]) => `${count.toLocaleString('en')} ${state}`).join(' · ') || 'none');
  attr(c.web, 'title', 'connections it remembers, by state; the backup learns them from the master');
  set(c.table, n.table.listing || '…');
}

function drawProxy(c, st, n) {
  const p = n.proxy, own = st.director === 'evenkeel';
  set(c.web.firstChild, (own && p.workers > 1 ? ordinal(p.workers) + ' ' : '') + (own ? 'worker ' : n.web_unit + ' ') + n.web);
  attr(c.web, 'title', p.pid ? 'process ' + p.pid + ' of the node' : '');
  const more = [[p.retries, 'retries'], [p.redispatches, 'redisp.'], [p.errors, '5xx']].filter(([v]) => v).map(([v, w]) => ` · ${v.toLocaleString('en')} ${w}`).join('');
  set(c.count[1], p.known ? n.served.toLocaleString('en') + more : '…');
  attr(c.count[1], 'title', p.known ? 'as its statistics page says: ' + n.served + ' requests passed on, ' + p.retries + ' retries, ' + p.redispatches + ' redispatches, ' + p.errors + ' answers of status 5xx' : '');
}

const serverCards = new Map();
const serverButtons = [['server-stop', 'Stop', 'fault'], ['server-freeze', 'Freeze', 'fault'], ['server-slow', 'Slow', 'fault'], ['server-500', 'Error 500', 'fault']];

// drawServerCard draws the card of a web server behind the nodes.
function drawServerCard(st, w, i) {
  let c = serverCards.get(w.name);
  if (!c) {
    c = { buttons: new Map(), state: h('span', { class: 'state' }), seen: h('dd'), count: h('dd') };
    const button = ([action, label, kind]) => {
      const b = h('button', { type: 'button', class: kind, 'aria-label': `${label}, ${w.name}: ${hints[action]}` }, label);
      b.addEventListener('click', () => press(w.name, action, b));
      c.buttons.set(action, b);
      return b;
    };
    $('nodes').append(h('section', { class: 'card node server ' + serverLetters[i], 'aria-label': w.name },
      h('div', { class: 'top' }, h('h3', {}, w.name, h('small', {}, w.address)), c.state),
      h('dl', {}, h('dt', {}, st.kind ? 'In table' : 'Proxies see'), c.seen, h('dt', {}, 'Answered'), c.count),
      h('div', { class: 'buttons' }, ...serverButtons.map(button)), h('div', { class: 'all' }, button(['server-mend', 'Bring ' + w.name + ' back', 'mend']))));
    serverCards.set(w.name, c);
  }
  set(c.state, w.state);
  attr(c.state, 'class', 'state ' + (w.state === 'running' ? 'master' : /slow|frozen/.test(w.state) ? 'warn' : 'bad'));
  const word = (seen) => (!st.kind ? seen : { UP: 'yes', DOWN: 'no' }[seen]) || '…';
  set(c.seen, st.nodes.map((n) => `${n.name}: ${word(w.seen[n.name])}`).join(' · '));
  set(c.count, `${w.served.toLocaleString('en')} requests of the client`);
  drawButtons(c, w.actions);
}

function drawJournal(c, lines) {
  const last = lines.length ? lines[lines.length - 1].at + lines[lines.length - 1].text + lines.length : '';
  if (c.last === last) return;
  c.last = last;
  const atEnd = c.log.scrollTop + c.log.clientHeight >= c.log.scrollHeight - 8;
  c.log.replaceChildren(...lines.flatMap((e) => [h('b', {}, (e.at / 1000).toFixed(3).padStart(8) + ' ' + (e.unit === 'director' ? '' : e.unit + ': ')), e.text + '\n']));
  if (atEnd) c.log.scrollTop = c.log.scrollHeight;
}

async function press(node, action, button) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.classList.add('busy');
  try {
    const r = await fetch('fault', { method: 'POST', headers: { 'X-Evenkeel-Lab': '1', 'Content-Type': 'application/json' }, body: JSON.stringify({ node, action }) });
    set($('doing'), r.ok ? '\u00a0' : (await r.text()).trim());
  } catch { set($('doing'), 'The lab did not answer.'); }
  button.classList.remove('busy');
}

// ---- the timeline ----

function drawTime(st) {
  const canvas = $('time'), t = st.timeline, box = canvas.getBoundingClientRect();
  const dpr = window.devicePixelRatio || 1;
  const W = box.width, H = box.height;
  if (canvas.width !== Math.round(W * dpr) || canvas.height !== Math.round(H * dpr)) { canvas.width = Math.round(W * dpr); canvas.height = Math.round(H * dpr); }
  const g = canvas.getContext('2d');
  g.setTransform(dpr, 0, 0, dpr, 0, 0);
  g.clearRect(0, 0, W, H);
  const narrow = W < 520, left = narrow ? 52 : 102, right = W - 8, span = Math.min(120000, Math.max(60000, t.to + 5000));
  const from = Math.max(0, t.to - span), x = (ms) => left + (ms - from) / span * (right - left);
  const ink = color('ink'), quiet = color('quiet'), line = color('line'), bad = color('bad'), slowInk = color('slow');
  const top = narrow ? 16 : 44;
  const lanes = { marks: [4, top], held: [top + 6, top + 34], served: [top + 46, H - 96], bad: [H - 86, H - 26] };
  g.font = '11.5px system-ui, sans-serif';
  g.textBaseline = 'middle';

  // grid and clock
  g.strokeStyle = line; g.fillStyle = quiet; g.lineWidth = 1; g.textAlign = 'center';
  const step = narrow ? 30000 : 10000;
  for (let ms = Math.ceil(from / step) * step; ms <= from + span; ms += step) {
    g.beginPath(); g.moveTo(x(ms), lanes.held[0]); g.lineTo(x(ms), H - 24); g.stroke();
    if (x(ms) < right - 12) g.fillText(ms / 1000 + ' s', x(ms), H - 11);
  }
  g.textAlign = 'left';
  const label = (text, y) => { g.fillStyle = quiet; g.fillText(text, 0, y); };
  label(narrow ? 'address' : 'address held', (lanes.held[0] + lanes.held[1]) / 2);
  label(narrow ? 'served' : 'requests served', (lanes.served[0] + lanes.served[1]) / 2);
  label(narrow ? 'failed,' : 'failed or slow', lanes.bad[0] + (narrow ? 18 : 22));
  label(narrow ? 'slow' : 'requests', lanes.bad[0] + (narrow ? 34 : 38));

  g.save();
  g.beginPath(); g.rect(left, 0, right - left, H); g.clip();
  // outages shade the whole height
  g.fillStyle = bad; g.globalAlpha = 0.1;
  for (const o of t.outages) g.fillRect(x(o.from), lanes.held[0], Math.max(1.5, x(o.to) - x(o.from)), H - 24 - lanes.held[0]);
  g.globalAlpha = 1;
  // who holds the address: one row per node
  const rowH = (lanes.held[1] - lanes.held[0]) / 2;
  for (const s of t.held) {
    const i = st.nodes.findIndex((n) => n.name === s.who);
    g.fillStyle = i < 0 ? bad : color(letters[i]);
    g.fillRect(x(s.from), lanes.held[0] + Math.max(0, i) * rowH + 1, Math.max(1.5, x(s.to) - x(s.from)), rowH - 2);
  }
  g.fillStyle = bad;
  for (const s of t.double) g.fillRect(x(s.from), lanes.held[0], Math.max(2, x(s.to) - x(s.from)), lanes.held[1] - lanes.held[0]);
  // answered requests per bucket, stacked by server; the last bucket is not full yet
  const full = t.bucket / st.client.every, laneH = lanes.served[1] - lanes.served[0];
  const n = Math.max(...Object.values(t.served).map((v) => v.length), 0);
  for (let i = 0; i < n - 1; i++) {
    let y = lanes.served[1];
    answering(st).forEach((host, k) => {
      const v = (t.served[host.name] || [])[i] || 0;
      if (!v) return;
      const bh = Math.min(1, v / full) * laneH;
      g.fillStyle = color(answeringLetters(st)[k]); g.globalAlpha = 0.55;
      const bx = Math.round(x(t.from + i * t.bucket) * dpr) / dpr, end = Math.round(x(t.from + (i + 1) * t.bucket) * dpr) / dpr;
      g.fillRect(bx, y - bh, end - bx, bh);
      y -= bh;
    });
  }
  g.globalAlpha = 1;
  // every failed or slow request, by how long it took
  const by = (ms) => lanes.bad[1] - 4 - Math.min(1, ms / st.client.limit) * (lanes.bad[1] - lanes.bad[0] - 8);
  for (const [start, took, kind] of t.bad) {
    g.fillStyle = kind === 0 ? slowInk : bad;
    g.globalAlpha = kind === 2 ? 0.45 : 0.85;
    if (kind === 0) { g.beginPath(); g.arc(x(start), by(took), 2.6, 0, 7); g.fill(); } else g.fillRect(x(start) - 0.6, by(took) - 3, 1.4, 7);
  }
  g.globalAlpha = 1;
  // marks
  const rows = [[], [], []]; // taken stretches of each row of labels
  const marks = t.events.filter((e) => e.kind !== 'announce');
  // What was done gets its label before what came of it.
  for (const e of [...marks.filter((e) => e.kind !== 'state'), ...marks.filter((e) => e.kind === 'state')]) {
    const ex = x(e.at), state = e.kind === 'state', c = state ? quiet : color(e.kind === 'fault' ? 'bad' : 'good');
    g.strokeStyle = c; g.fillStyle = c; g.lineWidth = state ? 1 : 1.6;
    g.globalAlpha = state ? 0.5 : 1;
    g.setLineDash(state ? [2, 3] : []);
    g.beginPath(); g.moveTo(ex, lanes.marks[1]); g.lineTo(ex, H - 24); g.stroke();
    g.setLineDash([]); g.globalAlpha = 1;
    const text = e.text.replace(/ \(.*$/s, '').replace(/: director /, ' ').replace(/: web server /, ' web ').replace(/: (the )?proxy /, ' proxy ').replace(/: the director takes/, ' takes').replace(/: a new proxy worker runs/, ' new worker').replace(/: cable /, ' ').replace(': everything ', ' ').replace(/, cannot restart/, '');
    const end = ex + g.measureText(text).width + 8;
    const row = narrow || end > right ? -1 : rows.findIndex((taken) => taken.every(([a, b]) => end < a || ex > b));
    if (row >= 0) { g.fillText(text, ex + 2, lanes.marks[0] + 5 + row * 14); rows[row].push([ex, end]); } else {
      g.beginPath(); g.moveTo(ex - 4, lanes.marks[1] - 6); g.lineTo(ex + 4, lanes.marks[1] - 6); g.lineTo(ex, lanes.marks[1]); g.fill();
    }
  }
  g.restore();
  g.strokeStyle = line;
  for (const y of [lanes.held[1] + 6, lanes.served[1] + 5, H - 24]) { g.beginPath(); g.moveTo(left, y); g.lineTo(right, y); g.stroke(); }
  const slow = t.bad.filter((b) => b[2] === 0).length;
  attr(canvas, 'aria-label', `Timeline of the last two minutes: ${t.outages.length} outages, ${t.bad.length - slow} failed and ${slow} slow requests. The list below names every change.`);
}

function drawLegend(st) {
  if ($('legend').children.length) return;
  const item = (c, text) => h('li', {}, h('i', { style: 'background:var(--' + c + ')' }), text);
  $('legend').append(...st.nodes.map((n, i) => item(letters[i], n.name)), ...st.servers.map((w, i) => item(serverLetters[i], w.name)), item('bad', 'failed, or two masters'), item('slow', `slow (over ${st.client.slow_over} ms)`));
}

// ---- tables and figures ----

// While these last some requests are answered and some are not: there is no stretch without an answer.
const partly = new Set(['server-freeze', 'server-slow', 'server-500']);

// What should have come of a fault stands below what came of it. It is known for a site that was whole before.
function expectedOf(st, f) {
  const x = st.expected[f.at];
  return x ? [h('small', { title: x.formula }, 'expected: ' + x.outage)] : [];
}

function drawCosts(st) {
  const faults = st.faults.slice(-20).reverse();
  if (!faults.length) return;
  const key = JSON.stringify([faults, faults.map((f) => st.expected[f.at])]);
  if (drawCosts.key === key) return;
  drawCosts.key = key;
  $('costs').replaceChildren(...faults.map((f) => h('tr', {},
    h('td', {}, seconds(f.at)), h('td', {}, f.text),
    h('td', { class: 'num' }, partly.has(f.action) && f.failed_requests ? 'partly' : f.outage_ms ? millis(f.outage_ms) : 'none', ...expectedOf(st, f)),
    h('td', { class: 'num' }, String(f.failed_requests)),
    h('td', { class: 'num' }, f.double_master_ms.toFixed(1) + ' ms'))));
}

function drawFigures(st) {
  const c = st.client;
  const rows = [
    ...answering(st).map((n) => ['answered by ' + n.name, n.served.toLocaleString('en')]),
    ['failed requests', c.failed.toLocaleString('en')], ['slow requests', c.slow.toLocaleString('en')],
    ['two masters at once', st.watch.double_master_ms.toFixed(1) + ' ms', st.watch.double_master_ms > 0],
    ['lab is up for', seconds(st.now).replace(/\.\d/, '')],
  ];
  const dl = $('figures');
  if (dl.children.length !== rows.length) dl.replaceChildren(...rows.map(([name]) => h('div', {}, h('dt', {}, name), h('dd'))));
  rows.forEach(([, value, isBad], i) => { const dd = dl.children[i].lastChild; set(dd, value); attr(dd, 'class', isBad ? 'badnum' : ''); });
  set($('method'), `A request has failed when it has no answer within ${millis(c.limit)}${st.servers.length ? ', or one with another status than 200' : ''}. An outage lasts from the start of the first failed request to the end of the next answered one. ` +
    'Two masters: an observer asks every 0.5 ms who has the address, and two machines answer.' +
    (st.watch.blind_ms > 0 ? ` The observer itself was late for ${millis(st.watch.blind_ms)} in all.` : ''));
}

function drawEvents(st) {
  const list = st.earlier.concat(st.timeline.events).slice(-200).reverse();
  const key = list.length ? list[0].at + list[0].text + list.length + list[list.length - 1].at : '';
  if (drawEvents.key === key) return;
  drawEvents.key = key;
  $('events').replaceChildren(...list.map((e) => h('li', { class: 'e-' + e.kind }, h('time', {}, seconds(e.at)), h('span', {}, e.text))));
}

// ---- the loop ----

let latest = null;
function draw(st) {
  latest = st;
  document.body.classList.add('live');
  const [kind, text] = verdict(st);
  attr($('verdict'), 'data-kind', kind); set($('verdict').lastChild, text);
  set($('say'), text.replace(/ for [\d.]+ s$/, ''));
  set($('title'), `${st.site}: ${st.title} · director ${st.director}` + (st.rootless ? ' · without root' : ''));
  if (st.doing) set($('doing'), 'Now: ' + st.doing); else if ($('doing').textContent.startsWith('Now:')) set($('doing'), '\u00a0');
  drawMap(st);
  st.nodes.forEach((n, i) => drawNode(st, n, i));
  st.servers.forEach((w, i) => drawServerCard(st, w, i));
  drawLegend(st); drawTime(st); drawCosts(st); drawFigures(st); drawEvents(st);
}

function listen() {
  const source = new EventSource('events');
  source.onmessage = (m) => draw(JSON.parse(m.data));
  source.onerror = () => {
    attr($('verdict'), 'data-kind', 'idle');
    set($('verdict').lastChild, latest ? 'the lab has ended' : 'the lab does not answer');
    for (const c of [...cards.values(), ...serverCards.values()]) for (const b of c.buttons.values()) attr(b, 'aria-disabled', 'true');
  };
}
addEventListener('resize', () => { if (latest) { drawMap(latest); drawTime(latest); } });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => latest && drawTime(latest));
listen();
