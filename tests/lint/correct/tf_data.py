"""Looks like: map and batch, a model captured by the mapped function. Is: tf.data, traced into a graph."""

import tensorflow as tf

model = tf.keras.models.load_model("classifier.keras")
lookup = tf.keras.layers.StringLookup(vocabulary=["cat", "dog"])


def decode(path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    return path, tf.image.resize(image, (224, 224)) / 255.0


def label(path: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return path, tf.argmax(model(images, training=False), axis=-1)


def main() -> None:
    files = tf.data.Dataset.list_files("photos/*.jpg", shuffle=False)
    decoded = files.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(64)
    labelled = decoded.map(label).prefetch(tf.data.AUTOTUNE)
    print(labelled.take(1))
    with tf.io.TFRecordWriter("labels.tfrecord") as out:
        for paths, labels in labelled:
            for path, number in zip(paths.numpy(), labels.numpy(), strict=True):
                print(path, number)
                out.write(path + b"," + str(number).encode())


if __name__ == "__main__":
    main()
