"""Codes 7xx: training, data sets and checkpoints."""

from __future__ import annotations

from ..code import Code

CODES: tuple[Code, ...] = (
    Code(
        id="E701",
        title="data set or checkpoint not found",
        what="A folder or file that a data set or a checkpoint should be read from is not there.",
        why="Training, evaluation and calibration need the real images; nothing is put in their place.",
        example="E701 train-images-idx3-ubyte was not found (data/fashion)",
        fix="Check the path given as --data or as the model. For Fashion-MNIST the folder holds the four IDX files, "
        "for CIFAR-10 cifar-10-batches-py or train.npz and test.npz, for CIFAR-100 cifar-100-python; --download lets "
        "torchvision fetch these. For ImageNet it holds train/CLASS/*.JPEG and val/CLASS/*.JPEG. Human activity is in "
        "the installed package that the hint names, or HAPT.pkl.gz in the folder; for Speech Commands it holds one "
        "folder per word, for IMDB aclImdb.",
    ),
    Code(
        id="E702",
        title="damaged data file",
        what="A file of a data set is truncated, altered, or of another format or data set than expected.",
        why="Images that are shifted by a few bytes still look like images to a network: the accuracy would be wrong.",
        example="E702 the IDX file announces 47040000 bytes of data and holds 47000000 (train-images-idx3-ubyte)",
        fix="Fetch the file again from its publisher, and check that images and labels were not interchanged.",
    ),
    Code(
        id="E703",
        title="unreadable checkpoint",
        what="A .pt file is truncated, was not written by spikec, or does not describe a network that can be built.",
        why="Only weights and plain values are ever loaded; a file that contains Python objects could execute code.",
        example="E703 the file is not a spikec-checkpoint written by 'spikec train' (resnet.pt)",
        fix="Export a network of your own with torch.onnx.export and give the .onnx file. A checkpoint of spikec that "
        "was cut off while it was copied must be copied or trained again.",
    ),
    Code(
        id="E704",
        title="checkpoint of another version",
        what="A file of spikec has a format version that this version does not read.",
        why="Its fields may mean something else, so reading it could give another network.",
        example="E704 the checkpoint has format version 2, this spikec reads version 1 (model.pt)",
        fix="Use the spikec that wrote the file and export ONNX there, or train again.",
    ),
    Code(
        id="E705",
        title="impossible training option",
        what="An option names something that does not exist, is out of range, or does not go with the data set.",
        why="The training could not start, or would end without a usable network.",
        example="E705 levels is too small: 0, limit 1",
        fix="Change the option as the hint says; all wrong options are listed at once.",
    ),
    Code(
        id="E706",
        title="resuming does not fit the folder",
        what="There is nothing to resume, or the unfinished training in the folder was started with other options, "
        "or a new training would overwrite it.",
        why="A training continued with other options is neither the old nor the new one, and hours of work are easily "
        "overwritten.",
        example="E706 the unfinished training was started with levels = 8 (runs/a/progress.pt)",
        fix="Repeat the options of the start together with --resume, or choose another folder, or delete progress.pt.",
    ),
    Code(
        id="E707",
        title="training diverged",
        what="The loss became infinite or not a number.",
        why="No later epoch recovers from weights that are not finite.",
        example="E707 the training diverged in round relu, epoch 1, batch 37",
        fix="Lower the learning rate of that round and start again.",
    ),
    Code(
        id="E708",
        title="optional library missing",
        what="A library that only training, data sets, checkpoints or folders of images need is not installed.",
        why="Compiling and running ONNX models works without it, so it is not installed with spikec itself.",
        example="E708 torch is not installed",
        fix="Install it as the hint says; training takes torch, torchvision, onnxscript, scikit-learn and pillow.",
    ),
    Code(
        id="E709",
        title="download failed",
        what="torchvision could not fetch a data set.",
        why="Without its files there is nothing to train on.",
        example="E709 CIFAR10 could not be downloaded: <urlopen error ...>",
        fix="Check the network, or fetch the files by other means and give their folder as --data.",
    ),
    Code(
        id="E710",
        title="checkpoint that the training does not continue",
        what="The checkpoint given to start from has another network, data set, activation or split of the training "
        "images than the options, or it has finished all rounds that they ask for.",
        why="With another split the best epoch would be chosen on images that the checkpoint was trained on, so its "
        "accuracy would mean nothing.",
        example="E710 the checkpoint was trained with seed = 0, so other images were held out than by 1",
        fix="Repeat the network, data set, seed and held-out share of the checkpoint's training, and ask for a further "
        "round, such as --noise or --deploy-timesteps.",
    ),
    Code(
        id="E711",
        title="unusable list of networks",
        what="A zoo, the TOML file that lists networks to train, is not there, is not understood, or lacks what was "
        "asked for.",
        why="A network that starts from another must come after it, and an option that is not understood would be "
        "trained without.",
        example="E711 networks.noise starts from 'qcfs', which no network above it is (zoo.toml)",
        fix="Mend the file as the message says; models/zoo/README.md describes it, and the shipped ones are examples.",
    ),
    Code(
        id="E712",
        title="folder of images that cannot be used",
        what="A folder was given as data, and it has no folders of images by class, or images that are damaged, of "
        "another size than the model takes, or of more than 8 bits per channel, or the model takes no images.",
        why="Leaving images out, or resizing them, would change what accuracies mean without a word.",
        example="E712 the image has 32x30 pixels, the model takes 32x32 (data/cat/0041.png)",
        fix="Mend or remove the images that are named, all in one run; resize and crop as was done in training.",
    ),
    Code(
        id="E713",
        title="weights that cannot be calibrated by training",
        what="calibrate-weights was given an ONNX file.",
        why="It trains the weights of one layer after the other by gradients through its spikes, in torch, and writes "
        "what train writes: a checkpoint, which holds a network that spikec knows how to build.",
        example="E713 weights are calibrated by training in torch, and an ONNX file holds no network of torch",
        fix="Compile the model with calibration data, labels are not needed: weights, thresholds and "
        "potentials of ReLU layers are then fitted by least squares to what they count in T steps, and the fit is kept "
        "if it is better on held-out samples. 'spikec methods MODEL' lists what else applies.",
    ),
    Code(
        id="E720",
        title="data file that would execute something",
        what="A pickle of a data set names a class or function that a table of numbers does not consist of.",
        why="Loading a pickle calls what it names. spikec only reads it, so nothing was called, but the file is not "
        "that of the data set, or not only.",
        example="E720 the file would have Python load os.system, which is no part of a table of numbers (HAPT.pkl.gz)",
        fix="Take the file from its publisher again, and compare where the foreign one came from.",
    ),
)
