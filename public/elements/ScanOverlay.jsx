// A scan with its masks laid over it, and the measurements made on them.
// Chainlit compiles this in the browser; `props`, `callAction` are its globals.
import { useEffect, useRef, useState } from "react";
import { Download, Maximize, TriangleAlert, ZoomIn, ZoomOut } from "lucide-react";

const MAX_ZOOM = 12;

function clampView(view, box) {
  const room = (size) => (size * (view.k - 1)) / 2;
  const limit = (value, size) => Math.max(-room(size), Math.min(room(size), value));
  return { k: view.k, x: limit(view.x, box.width), y: limit(view.y, box.height) };
}

function Picture({ scan, layers, shown, opacity, outlines, active }) {
  const frame = useRef(null);
  const drag = useRef(null);
  const [view, setView] = useState({ k: 1, x: 0, y: 0 });
  const [failed, setFailed] = useState(false);

  const change = (make) =>
    setView((old) => clampView(make(old), frame.current.getBoundingClientRect()));
  const zoom = (factor) =>
    change((old) => {
      const k = Math.max(1, Math.min(MAX_ZOOM, old.k * factor));
      return { k, x: (old.x * k) / old.k, y: (old.y * k) / old.k };
    });
  const fit = () => setView({ k: 1, x: 0, y: 0 });
  const pan = (dx, dy) => change((old) => ({ k: old.k, x: old.x + dx, y: old.y + dy }));

  useEffect(() => {
    // React's wheel handler cannot keep the page from scrolling, this one can.
    const onWheel = (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    };
    const node = frame.current;
    node.addEventListener("wheel", onWheel, { passive: false });
    return () => node.removeEventListener("wheel", onWheel);
  }, []);

  const onKeyDown = (event) => {
    const step = 40;
    const actions = {
      "+": () => zoom(1.4),
      "=": () => zoom(1.4),
      "-": () => zoom(1 / 1.4),
      0: fit,
      ArrowLeft: () => pan(step, 0),
      ArrowRight: () => pan(-step, 0),
      ArrowUp: () => pan(0, step),
      ArrowDown: () => pan(0, -step),
    };
    const arrow = event.key.startsWith("Arrow");
    if (!actions[event.key] || event.ctrlKey || event.metaKey || (arrow && view.k === 1)) return;
    event.preventDefault();
    actions[event.key]();
  };

  const visible = layers.filter((layer) => layer.area && shown[layer.id]);
  return (
    <div className="pc-picture">
      <div
        ref={frame}
        className={`pc-frame ${view.k > 1 ? "pc-zoomed" : ""}`}
        style={{ aspectRatio: String(scan.aspect), "--pc-aspect": scan.aspect }}
        tabIndex={0}
        role="group"
        aria-label={`${scan.id} with ${visible.length} masks. Plus and minus zoom, arrows move, 0 fits.`}
        onKeyDown={onKeyDown}
        onDoubleClick={() => (view.k > 1 ? fit() : zoom(2.5))}
        onPointerDown={(event) => {
          if (view.k === 1) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          drag.current = { x: event.clientX, y: event.clientY };
        }}
        onPointerMove={(event) => {
          if (!drag.current) return;
          pan(event.clientX - drag.current.x, event.clientY - drag.current.y);
          drag.current = { x: event.clientX, y: event.clientY };
        }}
        onPointerUp={() => (drag.current = null)}
        onPointerCancel={() => (drag.current = null)}
      >
        <div
          className="pc-stage"
          style={{ transform: `translate(${view.x}px, ${view.y}px) scale(${view.k})` }}
        >
          <img
            className="pc-scan"
            src={scan.url}
            alt={`${scan.id}: ${scan.facts}`}
            draggable={false}
            onError={() => setFailed(true)}
          />
          {visible.map((layer) => (
            <img
              key={layer.id}
              className="pc-mask"
              data-mask={layer.id}
              src={layer.area}
              alt=""
              draggable={false}
              style={{ opacity: active && active !== layer.id ? opacity * 0.2 : opacity }}
            />
          ))}
          {visible
            .filter((layer) => outlines || layer.id === active)
            .map((layer) => (
              <img
                key={layer.id}
                className="pc-outline"
                src={layer.outline}
                alt=""
                draggable={false}
                style={{ opacity: active && active !== layer.id ? 0.25 : 1 }}
              />
            ))}
        </div>
        {failed && <p className="pc-gone">This picture was deleted with its conversation.</p>}
      </div>
      <div className="pc-zoom" role="toolbar" aria-label="Zoom">
        <button type="button" onClick={() => zoom(1 / 1.4)} aria-label="Zoom out" disabled={view.k === 1}>
          <ZoomOut size={16} />
        </button>
        <button type="button" onClick={() => zoom(1.4)} aria-label="Zoom in">
          <ZoomIn size={16} />
        </button>
        <button type="button" onClick={fit} aria-label="Fit to frame" disabled={view.k === 1}>
          <Maximize size={16} />
        </button>
      </div>
    </div>
  );
}

function presenceText(layer) {
  if (!layer.present) return layer.presence === null ? "not seen" : `not seen ${layer.presence.toFixed(2)}`;
  return layer.presence === null ? "presence not judged" : `seen ${layer.presence.toFixed(2)}`;
}

function Masks({ layers, shown, toggle, active, setHovered }) {
  return (
    <ul className="pc-masks" aria-label="Masks">
      {layers.map((layer) => (
        <li
          key={layer.id}
          className={active === layer.id ? "pc-active" : ""}
          onMouseEnter={() => setHovered(layer.id)}
          onMouseLeave={() => setHovered(null)}
        >
          <label>
            <input
              type="checkbox"
              checked={Boolean(layer.area && shown[layer.id])}
              disabled={!layer.area}
              onChange={() => toggle(layer.id)}
              onFocus={() => setHovered(layer.id)}
              onBlur={() => setHovered(null)}
            />
            <span className="pc-dot" style={{ background: layer.area ? layer.colour : "transparent" }} />
            <span className="pc-name">{layer.name}</span>
            <span className="pc-id">{layer.id}</span>
          </label>
          <span
            className={`pc-presence ${layer.present ? "" : "pc-absent"}`}
            title="How sure the parser is that this is in the picture, from 0 to 1; without a calibration it cannot say"
          >
            {presenceText(layer)}
            {layer.overlay && (
              <a
                href={layer.overlay}
                download={`${layer.id}.png`}
                aria-label={`Save a picture of ${layer.name}`}
                title="Save scan and mask as one picture"
              >
                <Download size={14} />
              </a>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Measurements({ rows, layers, active, pinned, setPinned, setHovered }) {
  const colour = Object.fromEntries(layers.map((layer) => [layer.id, layer.colour]));
  const name = Object.fromEntries(layers.map((layer) => [layer.id, layer.name]));
  const several = layers.length > 1;
  return (
    <table className="pc-table">
      <thead>
        <tr>
          <th scope="col">Measured</th>
          <th scope="col" className="pc-number">Value</th>
          <th scope="col" className="pc-number">Range</th>
          <th scope="col" className="pc-source">Unit from</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr
            key={row.id}
            className={row.object && active === row.object ? "pc-active" : ""}
            onMouseEnter={() => setHovered(row.object)}
            onMouseLeave={() => setHovered(null)}
          >
            <th scope="row">
              <button
                type="button"
                disabled={!row.object}
                aria-pressed={Boolean(row.object) && pinned === row.object}
                title={row.object ? `${row.id}: show ${row.object}` : row.id}
                onClick={() => setPinned(pinned === row.object ? null : row.object)}
                onFocus={() => setHovered(row.object)}
                onBlur={() => setHovered(null)}
              >
                <span className="pc-dot" style={{ background: colour[row.object] || "transparent" }} />
                <span>
                  {row.name}
                  {(row.about || several) && <small>{row.about || name[row.object]}</small>}
                </span>
              </button>
            </th>
            <td className="pc-number pc-value">{row.value}</td>
            <td className="pc-number">{row.range || "–"}</td>
            <td className="pc-source">{row.source || "–"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Scale({ scan }) {
  const [text, setText] = useState("");
  const value = Number(text.replace(",", "."));
  const valid = text.trim() !== "" && value > 0 && Number.isFinite(value);
  const submit = (event) => {
    event.preventDefault();
    if (valid) callAction({ name: "set_scale", payload: { scan: scan.id, mm_per_pixel: value } });
  };
  return (
    <form className="pc-scale" onSubmit={submit}>
      <span>This file has no pixel spacing. Do you know the scale?</span>
      <label>
        <input
          inputMode="decimal"
          placeholder="0.30"
          value={text}
          onChange={(event) => setText(event.target.value)}
          aria-label="Millimetres per pixel"
        />
        mm per pixel
      </label>
      <button type="submit" disabled={!valid}>Set</button>
    </form>
  );
}

export default function ScanOverlay() {
  const { scan, layers, measurements, warnings = [], signature } = props;
  const [shown, setShown] = useState(Object.fromEntries(layers.map((layer) => [layer.id, true])));
  const [percent, setPercent] = useState(45);
  const [outlines, setOutlines] = useState(true);
  const [hovered, setHovered] = useState(null);
  const [pinned, setPinned] = useState(null);
  const active = hovered || pinned;
  const anyMask = layers.some((layer) => layer.area);

  return (
    <section className="pc-overlay" aria-label={`Masks and measurements of ${scan.id}`}>
      <header>
        <strong>{scan.id}</strong>
        <span>{scan.facts}</span>
      </header>
      <div className="pc-body">
        <Picture {...{ scan, layers, shown, outlines, active }} opacity={percent / 100} />
        <div className="pc-controls">
          <Masks
            {...{ layers, shown, active, setHovered }}
            toggle={(id) => setShown((old) => ({ ...old, [id]: !old[id] }))}
          />
          {anyMask && (
            <>
              <label className="pc-slider">
                <span>
                  Mask opacity <output>{percent}%</output>
                </span>
                <input
                  type="range"
                  min="0"
                  max="100"
                  step="5"
                  value={percent}
                  aria-label="Mask opacity in per cent"
                  onChange={(event) => setPercent(Number(event.target.value))}
                />
              </label>
              <label className="pc-check">
                <input
                  type="checkbox"
                  checked={outlines}
                  onChange={() => setOutlines(!outlines)}
                />
                Outlines
              </label>
            </>
          )}
        </div>
      </div>
      {measurements.length > 0 && (
        <Measurements rows={measurements} {...{ layers, active, pinned, setPinned, setHovered }} />
      )}
      {!scan.hasScale && <Scale scan={scan} />}
      <footer>
        {warnings.map((warning) => (
          <p key={warning} className="pc-warning">
            <TriangleAlert size={14} aria-label="Note" /> <span>{warning}</span>
          </p>
        ))}
        {scan.credit && <p>Sample: {scan.credit}.</p>}
        {signature && <p>{signature}</p>}
      </footer>
    </section>
  );
}
