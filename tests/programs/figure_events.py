"""What programs for a window of their own ask for does not hurt where there is none."""

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(3, 2))
manager = plt.get_current_fig_manager()
manager.full_screen_toggle()
manager.set_window_title("A window")
manager.resize(100, 100)
figure.canvas.mpl_connect("key_press_event", lambda event: print("key"))
figure.canvas.mpl_connect("button_press_event", lambda event: print("button"))
axes.plot([1, 3, 2])

plt.draw()
figure.canvas.draw_idle()
figure.canvas.flush_events()
print("button:", plt.waitforbuttonpress(timeout=0.05))
print("points:", plt.ginput(timeout=0.05))

timer = figure.canvas.new_timer(interval=10)
timer.add_callback(plt.close, figure)
timer.start()
plt.show()
print("backend:", plt.get_backend())
