/** The 3D picture of one model. The only part of the page that knows three.js; loaded when first needed. */

import {
  Box3,
  DirectionalLight,
  Group,
  HemisphereLight,
  Mesh,
  type Object3D,
  PCFShadowMap,
  PerspectiveCamera,
  PlaneGeometry,
  Scene,
  ShadowMaterial,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { SizeBox } from "./box";
import { anglesOf, describe, fitting, place, standing, type View } from "./camera";
import { dress, type Dressed, type Look, type Palette } from "./look";

export interface Facts {
  /** Width, height and depth in millimetres. */
  size: [number, number, number];
  triangles: number;
}

const START = { azimuth: 28, elevation: 16 };
/** Every model is shown with its longest edge one unit long, so that lights and shadows fit. */
const SHOWN_SIZE = 1;

/** Distance from `centre` to the farthest corner of what lies below `root`: a tighter fit than the box's. */
function reach(root: Object3D, centre: Vector3): number {
  let farthest = 0;
  const corner = new Vector3();
  root.traverse((object) => {
    if (!(object instanceof Mesh)) return;
    const positions = (object as Mesh).geometry.getAttribute("position");
    for (let index = 0; index < positions.count; index += 1) {
      corner.fromBufferAttribute(positions, index).applyMatrix4(object.matrixWorld);
      farthest = Math.max(farthest, corner.distanceToSquared(centre));
    }
  });
  return Math.sqrt(farthest) || SHOWN_SIZE;
}

export class ModelScene {
  #renderer: WebGLRenderer;
  #scene = new Scene();
  #camera = new PerspectiveCamera(32, 1, 0.01, 50);
  #controls: OrbitControls;
  #canvas: HTMLCanvasElement;
  #target = new Vector3();
  #radius = SHOWN_SIZE;
  #dressed: Dressed | undefined;
  #box: SizeBox | undefined;
  #frame = 0;
  #watcher: ResizeObserver;
  #touched: () => void;

  /** `touched` hears when the person takes hold of the model. Throws where the browser has no WebGL. */
  constructor(canvas: HTMLCanvasElement, touched: () => void) {
    this.#canvas = canvas;
    this.#touched = touched;
    this.#renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.#renderer.shadowMap.enabled = true;
    this.#renderer.shadowMap.type = PCFShadowMap;
    this.#controls = new OrbitControls(this.#camera, canvas);
    this.#controls.enableDamping = true;
    this.#controls.enablePan = false;
    this.#controls.autoRotateSpeed = 1.4;
    this.#controls.addEventListener("change", () => this.draw());
    this.#controls.addEventListener("start", this.#touched);
    this.#light();
    this.#watcher = new ResizeObserver(() => this.#resize());
    this.#watcher.observe(canvas);
  }

  /** Loads a GLB and shows it from its best side. */
  async load(url: string, labels: HTMLElement[]): Promise<Facts> {
    const { scene: model } = await new GLTFLoader().loadAsync(url);
    const own = new Box3().setFromObject(model);
    const size = own.getSize(new Vector3());
    const scale = SHOWN_SIZE / Math.max(size.x, size.y, size.z, 1e-9);
    const group = new Group();
    group.add(model);
    group.scale.setScalar(scale);
    this.#scene.add(group);
    group.updateMatrixWorld(true);
    const bounds = new Box3().setFromObject(group);
    this.#dressed = dress(model);
    this.#box = new SizeBox(bounds, labels);
    this.#scene.add(this.#box.lines, this.#ground(bounds.min.y));
    bounds.getCenter(this.#target);
    this.#radius = reach(group, this.#target);
    this.#controls.target.copy(this.#target);
    this.reset();
    return { size: [size.x * 1000, size.y * 1000, size.z * 1000], triangles: Math.round(this.#dressed.triangles) };
  }

  wear(look: Look, palette: Palette): void {
    this.#dressed?.wear(look, palette);
    this.#box?.paint(palette.box);
    this.draw();
  }

  showBox(shown: boolean): void {
    this.#box?.show(shown);
    this.draw();
  }

  set turning(on: boolean) {
    this.#controls.autoRotate = on;
    this.draw();
  }

  /** Turns by degrees; positive goes right and up around the model. Returns the words for the new angle. */
  turn(right: number, up: number): string {
    const { azimuth, elevation, distance } = standing(this.#camera, this.#target);
    return this.#stand(azimuth + right, elevation + up, distance);
  }

  /** Over 1 comes closer. */
  zoom(factor: number): void {
    const { azimuth, elevation, distance } = standing(this.#camera, this.#target);
    const { minDistance, maxDistance } = this.#controls;
    this.#stand(azimuth, elevation, Math.min(Math.max(distance / factor, minDistance), maxDistance));
  }

  look(view: View): string {
    const { azimuth, elevation } = anglesOf(view);
    return this.#stand(azimuth, elevation, fitting(this.#camera, this.#radius));
  }

  reset(): string {
    const distance = fitting(this.#camera, this.#radius);
    this.#controls.minDistance = this.#radius * 0.6;
    this.#controls.maxDistance = distance * 3;
    return this.#stand(START.azimuth, START.elevation, distance);
  }

  /** The picture as it stands, as a PNG with a clear background. */
  picture(): Promise<Blob | null> {
    this.#render();
    return new Promise((resolve) => this.#canvas.toBlob(resolve, "image/png"));
  }

  /** Asks for a new picture; many calls make one. */
  draw(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const moving = this.#controls.update();
      this.#render();
      if (moving || this.#controls.autoRotate) this.draw();
    });
  }

  dispose(): void {
    cancelAnimationFrame(this.#frame);
    this.#watcher.disconnect();
    this.#controls.dispose();
    this.#dressed?.dispose();
    this.#box?.dispose();
    this.#renderer.dispose();
    this.#renderer.forceContextLoss();
  }

  #stand(azimuth: number, elevation: number, distance: number): string {
    place(this.#camera, this.#target, azimuth, elevation, distance);
    this.draw();
    return describe(azimuth, elevation);
  }

  #render(): void {
    this.#renderer.render(this.#scene, this.#camera);
    this.#box?.update(this.#camera, this.#canvas.clientWidth, this.#canvas.clientHeight);
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width || !height) return;
    const before = fitting(this.#camera, this.#radius);
    this.#camera.aspect = width / height;
    this.#camera.updateProjectionMatrix();
    this.#renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.#renderer.setSize(width, height, false);
    // What filled the picture fills it still.
    if (this.#dressed) this.zoom(before / fitting(this.#camera, this.#radius));
    this.draw();
  }

  /** Bright sky, warm floor, one sun from the upper left: photo colours stay as they are. */
  #light(): void {
    const sky = new HemisphereLight(0xffffff, 0xd9cfc4, 1.9);
    const sun = new DirectionalLight(0xfffaf2, 1.9);
    sun.position.set(-1.1, 2.2, 1.6);
    sun.castShadow = true;
    sun.shadow.mapSize.set(1024, 1024);
    sun.shadow.radius = 6;
    sun.shadow.bias = -0.0005;
    sun.shadow.normalBias = 0.01;
    Object.assign(sun.shadow.camera, { left: -1.2, right: 1.2, top: 1.2, bottom: -1.2, near: 0.5, far: 6 });
    const fill = new DirectionalLight(0xeaf1ff, 0.5);
    fill.position.set(1.5, 0.6, -1.2);
    this.#scene.add(sky, sun, sun.target, fill);
  }

  #ground(height: number): Mesh {
    const ground = new Mesh(new PlaneGeometry(8, 8), new ShadowMaterial({ opacity: 0.22 }));
    ground.rotation.x = -Math.PI / 2;
    ground.position.y = height - 0.001;
    ground.receiveShadow = true;
    return ground;
  }
}
