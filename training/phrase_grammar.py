"""A small grammar that writes the phrase bank: plain descriptions of what photos commonly show.

Each rule joins a subject only to the actions and places that fit it. `phrases()` gives every phrase once.
"""

from collections.abc import Iterator
from itertools import product

# ---- people ------------------------------------------------------------------------------------------------------

ONE_ADULT = ("a man", "a woman", "a person", "a young man", "a young woman", "an old man", "an old woman")
ONE_CHILD = ("a boy", "a girl", "a little boy", "a little girl", "a child")
ADULTS = ONE_ADULT + ("two men", "two women", "a couple", "a group of people")
CHILDREN = ONE_CHILD + ("two children", "two girls", "two boys", "a group of children")
MIXED = ("a family", "a group of friends", "people", "two people", "three people", "a teenager", "a mother and child",
         "a father and son", "a man and a woman", "a boy and a girl", "a woman and a child")
PEOPLE = ADULTS + CHILDREN + MIXED

EVERYONE_DOES = {
    "walking": ("on the beach", "in the park", "down the street", "through the forest", "in the snow", "in the rain",
                "across a bridge", "along a path", "on a mountain trail", "through a field", "at night in the city"),
    "running": ("on the beach", "in the park", "down the street", "through a field", "on a track", "in the snow",
                "through the water"),
    "standing": ("on the beach", "in front of a building", "on a bridge", "on a rock by the sea", "in a field",
                 "on top of a mountain", "in the snow", "in the rain with an umbrella", "by a lake",
                 "in front of a wall", "on a balcony", "in a kitchen", "by a window", "at a bus stop"),
    "sitting": ("on a bench", "on the beach", "on the grass", "on the stairs", "on a couch", "at a table",
                "in a boat", "on a rock", "by a campfire", "in a restaurant", "on a train", "by the water",
                "in a car", "on a dock", "under a tree"),
    "playing": ("on the beach", "in the park", "in the snow", "in the water", "in a fountain"),
    "jumping": ("into a lake", "into a swimming pool", "on the beach", "in the air", "on a trampoline", "on a bed"),
    "swimming": ("in a pool", "in the sea", "in a lake", "in a river"),
    "lying": ("on the grass", "on the beach", "on a bed", "in a hammock"),
    "eating": ("at a table", "at a restaurant", "in the kitchen", "outdoors", "an ice cream", "pizza", "a sandwich",
               "noodles", "an apple"),
    "riding a bicycle": ("down the street", "in the park", "on a dirt road", "by the sea"),
    "riding a horse": ("on the beach", "in a field", "through the forest"),
    "skiing": ("down a snowy slope", "in the mountains", "through the trees"),
    "sledding": ("down a hill", "in the snow"),
    "dancing": ("at a party", "on a stage", "in the street", "at a wedding"),
    "posing for a photo": ("on the beach", "in the mountains", "in front of a monument", "in a garden",
                           "at a party", "in the snow", ""),
    "looking": ("at the sea", "at the mountains", "out of a window", "at a painting in a museum", "at the sunset",
                "at a phone", "through binoculars", "at the camera"),
    "holding": ("an umbrella", "a ball", "a dog", "a cat", "flowers", "balloons", "a flag", "a fish", "a cup"),
    "playing with a dog": ("on the beach", "in the park", "in the snow", "in the yard"),
    "climbing": ("a rock", "a tree", "a ladder", "the stairs"),
    "reading a book": ("on a couch", "in bed", "in the park", "on a bench", ""),
    "watching": ("television", "fireworks", "a football game", "a parade", "the sunset", "the ducks on a pond"),
    "waiting": ("for a train", "for a bus", "in line", "at an airport"),
    "kayaking": ("on a river", "on a lake", "through rapids"),
    "ice skating": ("on a frozen lake", "at a rink"),
    "having a picnic": ("in the park", "on the beach", ""),
    "smiling": ("at the camera", ""),
    "crossing": ("the street", "a river", "a bridge"),
    "fishing": ("on a lake", "from a pier", "in a river"),
    "taking a photo": ("of the sea", "of a building", "with a phone", ""),
}
ADULTS_DO = {
    "surfing": ("a big wave", "in the ocean"),
    "snowboarding": ("down a mountain", "over a jump"),
    "rock climbing": ("up a cliff", "on an indoor wall"),
    "hiking": ("in the mountains", "through the forest", "across the desert", "with backpacks"),
    "camping": ("in the forest", "in the mountains", "by a lake"),
    "cooking": ("in a kitchen", "on a barbecue", "over a fire", "at a food stall"),
    "drinking": ("coffee", "beer", "wine", "at a bar", "tea"),
    "talking": ("on the phone", "at a table", "in the street", "at a party", "into a microphone"),
    "working": ("on a laptop", "at a desk", "in an office", "on a construction site", "in a garden", "in a workshop",
                "in a field"),
    "playing": ("a guitar", "a piano", "drums", "a violin", "a trumpet", "cards", "chess", "basketball", "soccer",
                "tennis", "volleyball", "baseball", "golf", "rugby", "hockey", "frisbee", "table tennis",
                "music on the street", "music on a stage"),
    "singing": ("on a stage", "into a microphone", "in a choir"),
    "riding a motorcycle": ("on a road", "on a dirt track", "through the desert"),
    "riding a mountain bike": ("on a trail", "down a hill", "over a jump"),
    "skateboarding": ("in a skate park", "down a ramp", "on the street"),
    "paragliding": ("over the mountains", "over the sea"),
    "sailing": ("a boat", "on a lake"),
    "rowing": ("a boat", "on a river"),
    "scuba diving": ("over a coral reef", "in clear water"),
    "windsurfing": ("in the sea", "on a lake"),
    "doing yoga": ("on the beach", "in a studio", "in the park"),
    "lifting weights": ("in a gym",),
    "painting": ("a picture", "a wall"),
    "shopping": ("at a market", "in a supermarket", "in a clothing store"),
    "driving": ("a car", "a truck", "a tractor"),
    "sleeping": ("on a couch", "on a bench", "on a train"),
    "kissing": ("at a wedding", "at sunset"),
    "hugging": ("at an airport", "in the rain", ""),
    "giving a speech": ("on a stage", "at a conference"),
    "holding": ("a baby", "hands on the beach", "a glass of wine", "a camera", "a sign", "a trophy"),
    "pushing": ("a stroller", "a bicycle", "a shopping cart"),
    "celebrating": ("a birthday", "New Year", "a victory"),
    "washing": ("dishes", "a car"),
}
CHILDREN_DO = {
    "playing": ("on a swing", "on a slide", "on a playground", "in the sand", "with toys", "with a ball", "soccer",
                "in a sprinkler", "in the mud", "in the leaves", "a video game", "baseball", "with building blocks",
                "with a kite", "hide and seek"),
    "building": ("a sandcastle", "a snowman"),
    "blowing": ("bubbles", "out candles on a cake", "a dandelion"),
    "drawing": ("with crayons", "on the ground with chalk"),
    "riding": ("a scooter", "a tricycle", "a carousel", "a pony", "a skateboard"),
    "eating": ("a birthday cake", "spaghetti", "a cookie", "watermelon"),
    "sleeping": ("in a bed", "in a car seat", "with a teddy bear"),
    "opening": ("a present", "a gift at Christmas"),
    "hanging": ("upside down", "from a rope"),
    "splashing": ("in a puddle", "in a pool", "in the bath"),
    "doing": ("homework", "a cartwheel", "a handstand"),
    "feeding": ("ducks", "a goat", "pigeons"),
}
ONE_WEARS = ("a hat", "a costume", "sunglasses", "a winter coat", "a uniform", "a helmet", "a traditional costume",
             "glasses", "a scarf", "a mask", "a life jacket", "a backpack")
LOOKS = {
    "a man": ("with a beard", "with glasses", "with a hat", "with a guitar", "with a camera", "with tattoos",
              "with long hair", "in a suit", "with a dog", "with a bicycle", "with a baby", "without a shirt"),
    "a woman": ("with long hair", "with short hair", "with red hair", "with glasses", "with a hat", "with a baby",
                "in a white dress", "in a bikini", "with a dog", "with a bicycle", "with flowers", "with an umbrella"),
    "a boy": ("with a ball", "with a toy", "with a backpack", "with a hat", "with a dog", "in a swimsuit"),
    "a girl": ("with long hair", "with a doll", "with flowers", "with a hat", "with a balloon", "with painted face",
               "in a pink dress", "with a dog"),
}
LOOKS_ARE = ("", "smiling", "looking at the camera", "walking in the street", "standing outdoors", "sitting on a chair",
             "on the beach", "in black and white")
COLOURS = ("red", "blue", "green", "yellow", "black", "white", "pink", "orange", "purple", "brown", "grey")
CLOTHES = ("shirt", "jacket", "dress", "hat", "sweater", "coat", "t-shirt")
WEARERS = ("a man", "a woman", "a boy", "a girl", "a child")
WEARER_CANNOT = {("a man", "dress"), ("a boy", "dress")}
WEARER_IS = ("", "outdoors", "on the beach", "in the street", "sitting on a bench")
TRADES = {
    "a chef": ("cooking in a kitchen", "decorating a cake", "holding a knife"),
    "a farmer": ("in a field", "feeding cows", "on a tractor"),
    "a doctor": ("in a hospital", "looking at a screen", "with a patient"),
    "a teacher": ("in a classroom", "writing on a blackboard"),
    "a police officer": ("in the street", "directing traffic", "on a motorcycle"),
    "a firefighter": ("fighting a fire", "in front of a fire truck"),
    "a soldier": ("in uniform", "marching in a parade"),
    "a waiter": ("carrying a tray", "serving drinks"),
    "a musician": ("on a stage", "playing in the street", "with a guitar"),
    "a singer": ("on a stage", "with a microphone"),
    "a dancer": ("on a stage", "in the air", "in a traditional costume"),
    "a ballerina": ("on a stage", "in a studio"),
    "a bride": ("in a white dress", "holding flowers", "walking down the aisle"),
    "a bride and groom": ("at their wedding", "cutting a cake", "dancing", "walking on the beach", "in a garden"),
    "a baby": ("sleeping", "crying", "smiling", "crawling on the floor", "in a stroller", "in a bath", "on a blanket",
               "eating in a high chair", "playing with toys", "in the arms of a woman", "wearing a hat"),
    "a toddler": ("learning to walk", "playing in the grass", "eating with a spoon", "in a garden", "on a swing"),
    "a cyclist": ("on a road", "in a race", "on a mountain trail"),
    "a surfer": ("on a wave", "carrying a surfboard", "on the beach at sunset"),
    "a skier": ("on a slope", "jumping in the air", "in deep snow"),
    "a snowboarder": ("in the air", "on a snowy slope", "sliding on a rail"),
    "a skateboarder": ("doing a trick", "on a ramp", "in the air"),
    "a climber": ("on a cliff", "on an icy wall", "hanging from a rope"),
    "a hiker": ("on a mountain", "with a backpack", "looking at a view", "on a trail in the forest"),
    "a runner": ("in a race", "crossing the finish line", "on a road"),
    "a swimmer": ("in a pool", "diving into the water", "under water"),
    "a football player": ("running with the ball", "being tackled", "on the field"),
    "a soccer player": ("kicking the ball", "on the field", "scoring a goal"),
    "a basketball player": ("jumping to the basket", "dribbling the ball", "on the court"),
    "a baseball player": ("swinging a bat", "throwing the ball", "sliding into base"),
    "a tennis player": ("serving the ball", "on the court", "swinging a racket"),
    "a golfer": ("swinging a club", "on the green"),
    "a gymnast": ("on a beam", "in the air"),
    "a boxer": ("in the ring", "hitting a bag"),
    "a street performer": ("with a crowd watching", "juggling", "in silver paint"),
    "a clown": ("with a red nose", "at a party"),
    "a motorcyclist": ("in a race", "on a winding road", "jumping over a hill"),
    "a fisherman": ("on a boat", "with a net", "at the harbor"),
    "a photographer": ("with a camera", "taking a picture of a landscape"),
    "a tourist": ("with a map", "in front of a monument", "taking a photo"),
    "a crowd": ("at a concert", "in a stadium", "in the street", "at a festival", "on a beach", "at a market"),
    "a choir": ("singing in a church",),
    "a band": ("playing on a stage", "marching in the street", "playing in a bar"),
    "an orchestra": ("on a stage",),
    "a class": ("in a school", "posing for a photo"),
    "a team": ("celebrating a victory", "posing with a trophy", "on a field"),
    "hands": ("holding a phone", "holding flowers", "typing on a keyboard", "holding a cup of coffee",
              "kneading dough", "holding soil with a plant"),
    "feet": ("in the sand", "in the water", "in colorful socks"),
    "a face": ("in black and white", "with painted colors", "behind a mask", "close up"),
    "a silhouette of a person": ("at sunset", "on a hill", "in front of a window", "on the beach"),
}
PORTRAITS = ("a portrait of", "a close up of", "a black and white photo of", "a selfie of")

SIGHTS = ("a mountain lake", "the mountains", "a waterfall", "a valley", "the ocean", "a canyon", "a city at night",
          "a sunset over the sea", "a forest", "a river", "a castle", "a church", "a snowy landscape", "a lighthouse",
          "a starry sky", "a rainbow", "a harbor", "a volcano")
SIGHTSEERS = ("a man", "a woman", "a person", "a couple", "a hiker", "a child", "two people", "a group of people")
AT_A_SIGHT = ("looking at", "in front of", "taking a photo of")

# ---- animals -----------------------------------------------------------------------------------------------------

DOGS = ("a dog", "a black dog", "a brown dog", "a white dog", "a small dog", "a big dog", "a black and white dog",
        "a puppy", "two dogs", "a golden retriever")
DOGS_DO = ("running on the beach", "running through the grass", "running in the snow", "running through water",
           "swimming in a lake", "jumping over a hurdle", "jumping in the air", "catching a frisbee",
           "catching a ball", "playing with a ball", "playing with another dog", "playing in the snow",
           "carrying a stick", "sleeping on a couch", "sleeping on the floor", "lying on the grass",
           "lying on a bed", "sitting on the grass", "sitting in a car", "sitting on a chair",
           "standing on a rock", "standing in a field", "standing in the water", "looking at the camera",
           "looking out of a window", "wearing a collar", "wearing a sweater", "on a leash", "with its tongue out",
           "shaking off water", "digging in the sand", "chewing on a toy", "walking in the forest", "on a boat",
           "with a person", "close up", "in the rain", "on a dirt road", "")
CATS = ("a cat", "a black cat", "a white cat", "an orange cat", "a grey cat", "a tabby cat", "a kitten", "two cats")
CATS_DO = ("sleeping on a couch", "sleeping on a bed", "sleeping in the sun", "sitting on a window sill",
           "sitting on a table", "sitting on a chair", "sitting in a box", "lying on a keyboard",
           "looking at the camera", "looking out of a window", "playing with a toy", "playing with a string",
           "walking on a wall", "walking in the grass", "in a garden", "under a table", "drinking milk",
           "in a basket", "on a roof", "held in arms", "close up", "with green eyes", "in a sink", "")
ANIMALS = {
    "horse": ("a horse", "horses", "a brown horse", "a white horse"),
    "cow": ("a cow", "cows", "a brown cow"),
    "sheep": ("a sheep", "sheep", "a lamb"),
    "goat": ("a goat", "goats"),
    "pig": ("a pig", "pigs"),
    "donkey": ("a donkey",),
    "rabbit": ("a rabbit", "rabbits"),
    "deer": ("a deer", "a herd of deer"),
    "fox": ("a fox",), "wolf": ("a wolf",), "bear": ("a bear", "a brown bear", "a bear with cubs"),
    "squirrel": ("a squirrel",), "hedgehog": ("a hedgehog",), "raccoon": ("a raccoon",),
    "monkey": ("a monkey", "monkeys"), "gorilla": ("a gorilla",), "orangutan": ("an orangutan",),
    "tiger": ("a tiger",), "leopard": ("a leopard",), "panda": ("a panda",), "koala": ("a koala",),
    "elephant": ("an elephant", "elephants", "a baby elephant"), "giraffe": ("a giraffe", "giraffes"),
    "zebra": ("a zebra", "zebras"), "lion": ("a lion", "lions"), "rhinoceros": ("a rhinoceros",),
    "hippopotamus": ("a hippopotamus",), "buffalo": ("a buffalo",), "cheetah": ("a cheetah",),
    "antelope": ("an antelope",), "kangaroo": ("a kangaroo",), "camel": ("a camel", "camels"),
    "llama": ("a llama",), "polar bear": ("a polar bear",), "penguin": ("a penguin", "penguins"),
    "seal": ("a seal", "seals"), "walrus": ("a walrus",),
    "duck": ("a duck", "ducks", "a duck with ducklings"), "swan": ("a swan", "swans"), "goose": ("a goose", "geese"),
    "flamingo": ("a flamingo", "flamingos"), "pelican": ("a pelican",), "heron": ("a heron",),
    "seagull": ("a seagull", "seagulls"), "pigeon": ("a pigeon", "pigeons"), "bird": ("a bird", "birds"),
    "small bird": ("a small bird", "a blue bird", "a red bird", "a yellow bird", "a sparrow", "a robin"),
    "hummingbird": ("a hummingbird",), "parrot": ("a parrot", "parrots"), "owl": ("an owl",),
    "eagle": ("an eagle",), "hawk": ("a hawk",), "crow": ("a crow",), "peacock": ("a peacock",),
    "chicken": ("a chicken", "chickens", "a rooster"), "turkey": ("a turkey",), "ostrich": ("an ostrich",),
    "whale": ("a whale",), "dolphin": ("a dolphin", "dolphins"), "shark": ("a shark",),
    "fish": ("a fish", "a school of fish"), "tropical fish": ("a tropical fish", "colorful tropical fish"),
    "sea turtle": ("a sea turtle",), "jellyfish": ("a jellyfish", "jellyfish"), "octopus": ("an octopus",),
    "starfish": ("a starfish",), "crab": ("a crab",),
    "frog": ("a frog",), "snake": ("a snake",), "lizard": ("a lizard",), "turtle": ("a turtle",),
    "crocodile": ("a crocodile",), "iguana": ("an iguana",), "chameleon": ("a chameleon",),
    "butterfly": ("a butterfly", "an orange butterfly", "a blue butterfly"), "bee": ("a bee",),
    "dragonfly": ("a dragonfly",), "ladybug": ("a ladybug",), "spider": ("a spider",), "snail": ("a snail",),
    "ant": ("an ant",), "grasshopper": ("a grasshopper",), "beetle": ("a beetle",), "caterpillar": ("a caterpillar",),
}
ANIMAL_GROUPS = (
    (("horse", "cow", "sheep", "goat", "pig", "donkey"),
     ("in a field", "on a farm", "behind a fence", "on green grass", "in the mountains", "in the snow", "at sunset",
      "eating grass", "in a barn", "on a road", "looking at the camera")),
    (("horse",), ("galloping", "jumping over a fence", "on the beach", "pulling a cart", "in a race", "with a rider")),
    (("rabbit", "deer", "fox", "wolf", "bear", "squirrel", "hedgehog", "raccoon"),
     ("in the forest", "in the grass", "in the snow", "looking at the camera", "in autumn leaves", "at night",
      "eating", "standing still")),
    (("squirrel",), ("on a tree", "eating a nut", "on a fence")),
    (("monkey", "gorilla", "orangutan", "koala", "panda"),
     ("in a tree", "eating leaves", "sitting on a branch", "in the jungle", "in a zoo", "with a baby")),
    (("tiger", "leopard", "lion", "cheetah"),
     ("resting in the grass", "walking", "in the shade of a tree", "looking at the camera", "in a zoo", "running")),
    (("elephant", "giraffe", "zebra", "lion", "rhinoceros", "hippopotamus", "buffalo", "cheetah", "antelope"),
     ("in the savanna", "at a waterhole", "in the dry grass", "under a tree", "at sunset", "crossing a road")),
    (("elephant", "giraffe", "zebra", "rhinoceros", "hippopotamus", "kangaroo", "camel", "llama"),
     ("in a zoo", "eating", "walking", "with a baby", "close up")),
    (("camel",), ("in the desert", "with a rider", "lying in the sand")),
    (("llama",), ("in the mountains",)),
    (("polar bear", "penguin", "seal", "walrus"),
     ("on the ice", "in the snow", "swimming", "on a rock", "in cold water", "in a zoo")),
    (("duck", "swan", "goose", "pelican", "heron", "flamingo"),
     ("on a lake", "in a pond", "swimming", "flying over the water", "standing in shallow water", "by a river",
      "on the grass", "cleaning its feathers", "at sunset")),
    (("seagull", "pelican"), ("on the beach", "flying over the sea", "on a pole", "in a harbor")),
    (("pigeon", "crow"), ("on a roof", "in a city square", "on a wire", "on the ground", "in flight")),
    (("bird", "small bird", "parrot", "owl", "eagle", "hawk", "crow", "hummingbird"),
     ("on a branch", "flying in the sky", "in a tree", "with its wings open", "looking at the camera", "close up")),
    (("small bird", "bird"), ("at a feeder", "in a nest", "on a fence", "singing", "in the snow", "on a wire",
                              "in a bird bath")),
    (("hummingbird",), ("at a flower",)),
    (("parrot",), ("in a cage", "on a shoulder")),
    (("peacock", "chicken", "turkey", "ostrich"), ("on a farm", "on the grass", "in a yard", "close up", "in a park")),
    (("peacock",), ("showing its feathers",)),
    (("whale", "dolphin"), ("jumping out of the water", "in the sea", "swimming next to a boat")),
    (("shark", "fish", "tropical fish", "sea turtle", "jellyfish", "octopus", "starfish", "dolphin"),
     ("under water", "in an aquarium", "in clear blue water", "over a coral reef")),
    (("crab", "starfish", "sea turtle"), ("on the beach", "on the sand", "on a rock")),
    (("frog", "snake", "lizard", "turtle", "crocodile", "iguana", "chameleon"),
     ("on a rock", "in the water", "on a branch", "in the grass", "in the sun", "close up", "on the sand")),
    (("butterfly", "bee", "dragonfly", "ladybug", "spider", "snail", "ant", "grasshopper", "beetle", "caterpillar"),
     ("on a leaf", "on a flower", "close up", "in the garden", "on a blade of grass", "on a hand")),
    (("spider",), ("in a web",)),
    (("butterfly", "dragonfly", "bee"), ("in flight", "with its wings open")),
)

# ---- land, sky, plants -------------------------------------------------------------------------------------------

LANDSCAPES = ("a mountain", "snowy mountains", "a mountain range", "a mountain lake", "a lake", "a river", "a waterfall",
              "a forest", "a pine forest", "a valley", "a green hill", "rolling hills", "a beach", "a sandy beach",
              "a rocky coast", "a cliff by the sea", "the sea", "the ocean", "a tropical island", "a bay", "a desert",
              "sand dunes", "a canyon", "a field", "a wheat field", "a meadow", "a country road", "a winding road",
              "a path in the forest", "a glacier", "a volcano", "a swamp", "a lighthouse on the coast",
              "a lonely tree in a field", "a vineyard", "a frozen lake", "a stream between rocks", "a pier",
              "a harbor", "a village in the mountains", "a wooden bridge over a river", "a field of flowers",
              "a lavender field", "a sunflower field", "a rice terrace", "a rock formation", "a cave", "an island",
              "a wooden dock on a lake", "palm trees on a beach")
CONDITIONS = ("", "at sunset", "at sunrise", "at dusk", "at night", "in the fog", "in winter", "in autumn", "in summer",
              "in spring", "under a blue sky", "under a cloudy sky", "under dark clouds", "in the rain", "in the mist",
              "in the morning light", "under the stars", "in black and white", "seen from above", "after a storm",
              "in warm evening light", "on a sunny day", "with a rainbow", "under a full moon")
FOREGROUNDS = ("a lake", "a river", "a field", "a meadow", "a road", "a village", "a forest", "a beach", "a bridge",
               "a house", "a barn", "a church", "a castle", "a boat", "a tree", "flowers", "a fence", "a tent",
               "horses", "cows", "sheep")
BACKGROUNDS = ("mountains", "snowy mountains", "hills", "a forest", "the sea", "a sunset", "dark clouds", "a rainbow",
               "a blue sky", "a city")
NO_SKY = {"a cave"}
SKIES = ("a sunset", "a sunrise", "a full moon", "the milky way", "a rainbow", "lightning", "northern lights",
         "storm clouds", "a starry sky", "white clouds in a blue sky", "pink clouds", "fog", "a red sky",
         "rays of sunlight")
OVER = ("over mountains", "over the sea", "over a city", "over a lake", "over a forest", "over a field", "over a beach",
        "over a river", "over a village", "over the desert", "over rooftops", "behind trees", "")
FLOWERS = ("a flower", "a rose", "a red rose", "a white flower", "a yellow flower", "a purple flower", "a pink flower",
           "a blue flower", "a red flower", "a sunflower", "a tulip", "a daisy", "an orchid", "a lily", "a water lily",
           "a poppy", "a dandelion", "a lotus flower", "lavender", "a hibiscus", "cherry blossoms", "wildflowers",
           "tulips", "daffodils")
FLOWERS_ARE = ("", "close up", "in a garden", "in a field", "with drops of water", "in the sun", "with a bee",
               "with a butterfly", "in a vase", "in front of a dark background", "against a blue sky",
               "with a blurred background")
PLANTS = {
    "a tree": ("in autumn", "in winter", "in a field", "on a hill", "in a park", "in the fog", "against the sky",
               "with red leaves", "without leaves", "reflected in water"),
    "trees": ("in a forest", "along a road", "covered in snow", "in autumn colors", "seen from below", "in the fog"),
    "a leaf": ("close up", "with drops of water", "on the ground", "in autumn colors", "on water"),
    "green leaves": ("close up", "in the sunlight", "with drops of rain"),
    "autumn leaves": ("on the ground", "on a tree", "in the sun"),
    "grass": ("close up", "with morning dew", "in the wind", "at sunset"),
    "a cactus": ("in the desert", "in a pot", "with flowers"),
    "a palm tree": ("against the sky", "on a beach", "at sunset"),
    "bamboo": ("in a forest", "close up"),
    "moss": ("on a rock", "on a tree trunk"),
    "a mushroom": ("in the forest", "on a log", "in the grass"),
    "a fern": ("in the forest", "close up"),
    "a potted plant": ("on a window sill", "on a table", "in the corner of a room"),
    "a Christmas tree": ("with lights", "in a living room", "in a city square"),
    "berries": ("on a branch", "covered in frost"),
    "apples": ("on a tree",), "grapes": ("on a vine",), "pine cones": ("on a branch",),
    "ice": ("on a branch", "on a window", "on a lake"), "icicles": ("hanging from a roof",),
    "snow": ("on a branch", "on a roof", "falling at night", "on a fence"),
    "rain drops": ("on a window", "on a leaf", "on water"),
    "rocks": ("in the water", "on a beach", "covered in moss", "stacked on top of each other"),
    "shells": ("on the sand", "on a table"),
    "waves": ("on a beach", "crashing on rocks", "seen from above", "at sunset"),
    "sand": ("with footprints", "with ripples", "close up"),
    "water": ("with reflections", "with ripples", "drops falling", "in a pool"),
    "bubbles": ("in the air", "under water"),
    "fire": ("in a fireplace", "at night", "close up"), "smoke": ("in the air", "on a black background"),
    "a campfire": ("at night", "on the beach", "in the forest"),
}

# ---- towns, buildings, rooms -------------------------------------------------------------------------------------

BUILDINGS = ("a building", "a house", "a small house", "a wooden cabin", "a brick house", "a white house", "a church",
             "a cathedral", "a mosque", "a temple", "a pagoda", "a castle", "a palace", "a tower", "a clock tower",
             "a lighthouse", "a windmill", "a skyscraper", "skyscrapers", "an office building", "an apartment building",
             "a modern glass building", "an old stone building", "a bridge", "a stone bridge", "a suspension bridge",
             "a barn", "a factory", "a train station", "a museum", "a monument", "a statue", "a fountain", "ruins",
             "an ancient temple", "an abandoned building", "a stadium", "an arch", "a fortress", "a pyramid")
BUILDINGS_ARE = ("", "at night", "at sunset", "in the snow", "in the fog", "under a blue sky", "in black and white",
                 "in the rain", "seen from below", "seen from above", "with trees in front", "reflected in water",
                 "lit up at night", "on a hill", "by a river", "on a sunny day", "with people in front", "under clouds")
TOWN_VIEWS = ("a city", "a city skyline", "a city street", "a narrow street", "a busy street", "an old town", "a village",
              "a town square", "a market", "a shopping street", "a street with cafes", "an alley", "a highway",
              "an intersection", "a river through a city", "a parking lot", "rooftops", "a construction site",
              "a harbor with boats", "a train track", "a tunnel", "a subway station", "an airport", "a park in a city",
              "a cemetery", "a playground", "a swimming pool", "a football field", "an amusement park", "a ferris wheel")
TOWN_VIEWS_ARE = ("", "at night", "at sunset", "in the rain", "in the snow", "in the fog", "seen from above",
                  "in black and white", "on a sunny day", "with people walking", "in the morning", "in winter",
                  "with lights", "in summer", "without people")
ROOMS = ("a living room", "a bedroom", "a kitchen", "a bathroom", "a dining room", "an office", "a classroom",
         "a library", "a hotel room", "a restaurant", "a cafe", "a bar", "a church interior", "a hallway", "a garage",
         "a workshop", "a gym", "a theater", "a museum hall", "a shop", "a supermarket", "a hospital room",
         "a waiting room", "a train carriage", "a conference room", "a laboratory", "an attic", "a balcony",
         "a staircase", "a spiral staircase", "a basement", "a nursery", "a laundry room", "a greenhouse")
ROOMS_ARE = ("", "with a large window", "with wooden furniture", "with people", "with white walls", "at night",
             "with plants", "in daylight", "without people", "with colorful walls", "with lamps")
DETAILS = ("a window", "a door", "a red door", "a blue door", "a wooden door", "a brick wall", "a stone wall",
           "a tiled roof", "a balcony with flowers", "stairs", "a fence", "a gate", "columns", "a stained glass window",
           "a street lamp", "a street sign", "a stop sign", "a traffic light", "a neon sign", "graffiti on a wall",
           "a mural", "a bench", "a mailbox", "a phone booth", "a clock", "a chimney", "a well", "a cobblestone street",
           "a manhole cover", "a billboard", "a fire hydrant", "a flag")
DETAILS_ARE = ("", "close up", "in the sun", "in the rain", "at night", "in black and white", "of an old house",
               "in a city", "in a village")

# ---- vehicles ----------------------------------------------------------------------------------------------------

VEHICLES = {
    "road": ("a car", "a red car", "a blue car", "a white car", "a black car", "a yellow car", "an old car",
             "a vintage car", "a sports car", "a taxi", "a police car", "an ambulance", "a bus", "a red bus",
             "a double decker bus", "a school bus", "a truck", "a fire truck", "a van", "a camper van", "a motorcycle",
             "a scooter", "a bicycle", "bicycles", "a tram", "a rickshaw", "a horse carriage", "cars"),
    "rail": ("a train", "a steam train", "a high speed train", "a freight train", "a subway train"),
    "water": ("a boat", "a small boat", "a sailboat", "a fishing boat", "a ship", "a cruise ship", "a ferry", "a canoe",
              "a kayak", "a yacht", "a rowing boat", "boats", "a gondola", "a cargo ship"),
    "air": ("an airplane", "a small airplane", "a helicopter", "a hot air balloon", "hot air balloons", "a fighter jet",
            "a drone", "a paraglider", "a kite"),
    "field": ("a tractor", "an excavator", "a bulldozer", "a crane", "a combine harvester"),
}
VEHICLES_ARE = {
    "road": ("", "on a road", "parked on the street", "in front of a house", "at night", "in the rain", "in the snow",
             "in the city", "on a bridge", "at a traffic light", "in the mountains", "on a dirt road", "close up",
             "in black and white"),
    "rail": ("", "at a station", "on a bridge", "in the mountains", "through a forest", "at night", "in the snow",
             "coming out of a tunnel", "in the countryside"),
    "water": ("", "on a lake", "on the sea", "on a river", "in a harbor", "at sunset", "on the beach", "in the fog",
              "at a dock", "seen from above", "in clear water"),
    "air": ("", "in the sky", "at sunset", "over mountains", "over a field", "over the sea", "against a blue sky",
            "among clouds"),
    "field": ("", "in a field", "on a construction site", "on a farm", "on a road", "at sunset"),
}
COLOURED_VEHICLES = ("car", "truck", "van", "bus", "motorcycle", "bicycle", "sports car", "boat", "train")
COLOURED_ARE = {"boat": ("", "on a lake", "in a harbor", "on the beach"), "train": ("", "at a station", "on a bridge")}
COLOURED_ON_ROAD = ("", "on a road", "parked on the street", "in the snow", "at night", "in front of a building")
VEHICLE_EXTRAS = ("an airplane on the runway", "an airplane at the gate", "an airplane landing", "the wing of an airplane",
                  "the inside of a car", "the dashboard of a car", "a car race", "a traffic jam", "a car wheel",
                  "a broken car", "a rocket launch", "a row of parked bicycles", "a bicycle leaning against a wall",
                  "light trails of cars at night", "the view from a train window", "the view from an airplane window",
                  "a motorcycle race", "a bicycle race", "a regatta")

# ---- food --------------------------------------------------------------------------------------------------------

DISHES = ("a pizza", "a burger", "a sandwich", "a salad", "pasta", "spaghetti", "soup", "sushi", "noodles", "rice",
          "a steak", "roast chicken", "fish", "shrimp", "tacos", "pancakes", "waffles", "an omelette", "fried eggs",
          "french fries", "a hot dog", "curry", "dumplings", "bread", "cheese", "sausages", "bacon", "vegetables",
          "grilled meat", "breakfast", "dinner", "a dessert", "a piece of cake", "a chocolate cake", "cupcakes",
          "cookies", "ice cream", "a pie", "donuts", "croissants", "chocolate", "candy", "fruit salad", "yogurt",
          "seafood", "lasagna", "a burrito", "meatballs", "a cheesecake", "muffins")
DISHES_ARE = ("", "on a plate", "on a table", "on a wooden board", "close up", "in a restaurant", "seen from above",
              "on a white plate", "with a drink", "being served", "on a kitchen counter")
PRODUCE = ("fruit", "apples", "oranges", "bananas", "strawberries", "grapes", "lemons", "cherries", "blueberries",
           "a watermelon", "pineapples", "peaches", "tomatoes", "carrots", "potatoes", "onions", "peppers", "pumpkins",
           "mushrooms", "garlic", "broccoli", "corn", "cucumbers", "cabbage", "nuts", "spices", "herbs", "eggs",
           "raspberries", "avocados", "mangoes", "kiwis", "olives", "chili peppers", "pears")
PRODUCE_IS = ("", "at a market", "on a table", "in a bowl", "in a basket", "close up", "on a cutting board", "in a box",
              "on a white background", "in a hand")
DRINKS = ("a cup of coffee", "a cup of tea", "a glass of wine", "a glass of beer", "a glass of water", "a cocktail",
          "orange juice", "a milkshake", "a bottle of wine", "a bottle of beer", "a smoothie", "hot chocolate",
          "a glass of champagne", "a latte with foam art", "a teapot", "whisky")
DRINKS_ARE = ("", "on a table", "on a wooden table", "in a cafe", "close up", "in a hand", "by the window", "at a bar",
              "outdoors", "next to a book")
FOOD_EXTRAS = ("a bowl of fruit on a table", "a birthday cake with candles", "a wedding cake", "a table set for dinner",
               "a table full of food", "a barbecue grill with meat", "food being cooked in a pan", "a pot on a stove",
               "a pizza in an oven", "a buffet", "a food market", "a street food stall", "a bakery window",
               "a picnic basket", "a lunch box", "coffee beans", "a gingerbread house", "Easter eggs in a basket",
               "a shelf with bottles", "a fruit stand at a market", "a fish market", "dough on a floured table",
               "a knife and a cutting board", "a tray of cookies", "a refrigerator full of food", "menu of a restaurant")

# ---- things ------------------------------------------------------------------------------------------------------

SMALL_THINGS = ("a book", "books", "a laptop", "a computer keyboard", "a phone", "a camera", "an old camera", "a watch",
                "a pair of glasses", "sunglasses", "a pen", "pencils", "a notebook", "a newspaper", "a letter", "a map",
                "a candle", "a vase", "a cup", "a plate", "a bottle", "a glass", "a bowl", "a spoon", "a knife",
                "a teddy bear", "a doll", "a toy car", "building blocks", "a ball", "dice", "playing cards",
                "a chess board", "a puzzle", "coins", "money", "keys", "a ring", "jewelry", "a necklace", "a hat",
                "shoes", "a pair of boots", "sneakers", "a bag", "a backpack", "a suitcase", "an umbrella", "a lamp",
                "a light bulb", "a clock", "an alarm clock", "a radio", "headphones", "a microphone", "a guitar",
                "a violin", "a trumpet", "a flute", "scissors", "a hammer", "tools", "a brush", "paint", "a mask",
                "a globe", "a telescope", "a microscope", "a calculator", "a remote control", "a game controller",
                "a typewriter", "a sewing machine", "a basket", "a box", "a gift", "balloons", "a flag", "a trophy",
                "a soap dish", "a toothbrush", "a mirror", "a picture frame", "a towel", "a pillow", "a blanket", "yarn",
                "a helmet", "a soccer ball", "a basketball", "a baseball glove", "a tennis racket", "a skateboard",
                "a snow globe", "a compass", "a magnifying glass", "medicine", "a fan", "a padlock", "a rope", "a bell",
                "a feather", "a skull", "a crystal", "a pocket watch", "a record player", "a toy train")
THINGS_ARE = ("", "on a table", "on a wooden table", "on a white background", "close up", "in a hand", "on a shelf",
              "on the floor", "in black and white", "in a shop window")
LARGE_THINGS = ("a piano", "a grand piano", "a drum set", "a couch", "an armchair", "a bed", "a table", "a chair", "a desk",
                "a bookshelf", "a wardrobe", "a television", "a computer", "a refrigerator", "a stove", "a sink",
                "a bathtub", "a toilet", "a washing machine", "a fireplace", "a rug", "a chandelier", "a crib",
                "a rocking chair", "a sculpture", "a painting", "an aquarium", "a pool table", "an organ", "a harp",
                "a cello", "a carpet", "a mirror on a wall", "shelves with books", "a printer", "a vending machine")
LARGE_THINGS_ARE = ("", "in a room", "in a house", "in a shop", "in front of a wall", "close up", "by a window",
                    "in a museum", "on a stage", "in a dark room")
LARGE_CANNOT_STAGE = {"a bathtub", "a toilet", "a sink", "a refrigerator", "a stove", "a washing machine", "a crib",
                      "a fireplace", "an aquarium", "a vending machine", "a wardrobe", "a printer", "a mirror on a wall",
                      "shelves with books", "a pool table", "a rug", "a carpet", "a chandelier", "a painting", "a bed",
                      "a television", "a bookshelf"}
PLAIN_COLOURED = ("car", "bicycle", "door", "chair", "couch", "umbrella", "balloon", "flower", "bird", "ball", "cup", "vase",
                  "bag", "hat", "shoe", "dress", "house", "boat", "truck", "kite", "book", "wall", "candle", "pillow",
                  "bottle", "lamp", "box", "table", "tent", "flag", "light", "curtain", "motorcycle", "guitar", "leaf")

# ---- events, images that are not scenes --------------------------------------------------------------------------

EVENTS = ("a wedding", "a birthday party", "a concert", "a festival", "a parade", "a carnival", "a football match",
          "a basketball game", "a baseball game", "a tennis match", "a marathon", "a graduation ceremony",
          "a Christmas dinner", "a Halloween party", "a dinner with friends", "a family reunion", "a conference",
          "a protest", "a market day", "a school play", "a dance performance", "a theater play", "a fashion show",
          "a fireworks show", "an art exhibition", "a trade fair", "a car show", "an air show", "a boat race",
          "a horse race", "a rodeo", "a barbecue", "a baby shower", "a funeral", "a baptism", "a campfire with friends",
          "a beach party", "a street party", "a picnic", "a meeting", "a lecture", "a workshop with people", "a ski race",
          "a swimming race", "a cooking class", "a yoga class", "a chess game", "a card game", "New Year's Eve")
EVENTS_ARE = ("", "at night", "outdoors", "indoors", "with many people", "in the evening", "in a small town",
              "in black and white", "in summer", "seen from above")
ONLY_INDOORS = {"a conference", "a lecture", "a theater play", "a meeting"}
SURFACES = ("wood", "stone", "metal", "rusty metal", "brick", "concrete", "fabric", "leather", "paper", "glass", "sand",
            "marble", "water", "ice", "grass", "leaves", "bark", "fur", "feathers", "a peeling wall", "tiles", "rope",
            "denim", "wool", "clouds", "fire", "smoke", "rock")
SURFACES_ARE = ("the texture of {}", "a close up of {}", "a pattern in {}", "a background of {}", "a macro photo of {}")
ABSTRACT = ("abstract pattern", "abstract shapes", "abstract art", "abstract lines", "geometric shapes", "triangles",
            "circles", "squares", "stripes", "waves of color", "a gradient", "blurred lights", "light trails", "bokeh lights",
            "a spiral", "a mosaic", "a low poly background", "a wallpaper with shapes", "polygons", "dots", "paint splashes",
            "paper folds", "curved lines", "a kaleidoscope", "a fractal", "smooth curves", "soft light", "a grid")
ABSTRACT_ARE = ("", "in blue", "in red", "in green", "in orange", "in purple", "in pink", "in yellow", "in grey",
                "in black and white", "in dark colors", "in bright colors", "in pastel colors", "in blue and orange",
                "in purple and pink")
DOCUMENTS = ("a screenshot of a website", "a screenshot of a phone", "a screenshot of a chat", "a screenshot of a game",
             "a screenshot of a computer program", "a page of text", "a handwritten note", "a receipt", "a business card",
             "a chart", "a bar chart", "a diagram", "a table of numbers", "a drawing", "a pencil drawing", "a sketch",
             "a cartoon", "a comic strip", "a logo", "a poster", "a book cover", "an album cover", "a magazine page",
             "a QR code", "a ticket", "a passport", "a blueprint", "a whiteboard with notes", "a slide of a presentation",
             "an oil painting", "a watercolor painting", "a painting of a landscape", "a portrait painting", "a statue",
             "a marble statue of a man", "a bronze statue", "an icon", "a map of a city", "a world map", "a meme with text",
             "an old photograph", "an x-ray image", "a satellite image", "an illustration", "a digital illustration",
             "a 3d rendering", "a photo of a screen", "a sign with text", "a menu", "a calendar", "a street map",
             "sheet music", "a stamp", "a postcard", "a certificate", "a crossword", "program code on a screen",
             "the earth from space", "a planet in space", "a galaxy", "a nebula", "an eclipse")
PHOTO_KINDS = ("a photo of {}", "a picture of {}")
PHOTO_SUBJECTS = ("a dog", "a cat", "a horse", "a bird", "a car", "a bicycle", "a train", "an airplane", "a boat", "a house",
                  "a church", "a bridge", "a street", "a city", "a mountain", "a beach", "the sea", "a forest", "a river",
                  "a lake", "a flower", "a tree", "a garden", "a sunset", "the sky", "food", "a cake", "fruit", "a baby",
                  "a child", "a woman", "a man", "a family", "a crowd", "a room", "a window", "a door", "a computer",
                  "a book", "a clock", "a toy", "a statue", "a painting", "a guitar", "a piano", "an insect", "a butterfly",
                  "a fish", "a cow", "a sheep", "a bus", "a truck", "a motorcycle", "snow", "a castle", "a wall",
                  "a landscape", "nature", "an animal", "a pet", "a building", "people", "a friend", "a party", "sports")


def phrases() -> Iterator[str]:
    """Every phrase of the bank, each once, in a fixed order."""
    seen = set()
    for rule in (_people, _animals, _land, _towns, _vehicles, _food, _things, _events_and_images):
        for phrase in rule():
            phrase = phrase.strip()
            if phrase not in seen:
                seen.add(phrase)
                yield phrase


def _joined(*lists) -> Iterator[str]:
    for parts in product(*lists):
        yield " ".join(part for part in parts if part)


def _coloured(colour: str, thing: str) -> str:
    return f"{'an' if colour == 'orange' else 'a'} {colour} {thing}"


def _people() -> Iterator[str]:
    for people, actions in ((PEOPLE, EVERYONE_DOES), (ADULTS, ADULTS_DO), (CHILDREN, CHILDREN_DO)):
        yield from people
        for action, objects in actions.items():
            yield from _joined(people, [action], objects)
    yield from _joined(ONE_ADULT + ONE_CHILD, ["wearing"], ONE_WEARS)
    for who, looks in LOOKS.items():
        yield from _joined([who], looks, LOOKS_ARE)
    yield from _joined(SIGHTSEERS, AT_A_SIGHT, SIGHTS)
    for wearer, colour, garment, place in product(WEARERS, COLOURS, CLOTHES, WEARER_IS):
        if (wearer, garment) not in WEARER_CANNOT:
            yield f"{wearer} in {_coloured(colour, garment)} {place}"
    for who, actions in TRADES.items():
        yield from _joined([who], ("",) + actions)
    yield from _joined(PORTRAITS, PEOPLE)


def _animals() -> Iterator[str]:
    yield from _joined(DOGS, DOGS_DO)
    yield from _joined(CATS, CATS_DO)
    for names in ANIMALS.values():
        yield from names
    for kinds, situations in ANIMAL_GROUPS:
        for kind in kinds:
            yield from _joined(ANIMALS[kind], situations)


def _land() -> Iterator[str]:
    for place, condition in product(LANDSCAPES, CONDITIONS):
        if place not in NO_SKY or not condition:
            yield f"{place} {condition}"
    for front, back in product(FOREGROUNDS, BACKGROUNDS):
        if front != back:
            yield f"{front} with {back} in the background"
    yield from _joined(SKIES, OVER)
    yield from _joined(FLOWERS, FLOWERS_ARE)
    for plant, situations in PLANTS.items():
        yield from _joined([plant], ("",) + situations)


def _towns() -> Iterator[str]:
    yield from _joined(BUILDINGS, BUILDINGS_ARE)
    yield from _joined(TOWN_VIEWS, TOWN_VIEWS_ARE)
    yield from _joined(ROOMS, ROOMS_ARE)
    yield from _joined(DETAILS, DETAILS_ARE)


def _vehicles() -> Iterator[str]:
    for kind, names in VEHICLES.items():
        yield from _joined(names, VEHICLES_ARE[kind])
    for colour, vehicle in product(COLOURS, COLOURED_VEHICLES):
        yield from _joined([_coloured(colour, vehicle)], COLOURED_ARE.get(vehicle, COLOURED_ON_ROAD))
    yield from VEHICLE_EXTRAS


def _food() -> Iterator[str]:
    yield from _joined(DISHES, DISHES_ARE)
    yield from _joined(PRODUCE, PRODUCE_IS)
    yield from _joined(DRINKS, DRINKS_ARE)
    yield from FOOD_EXTRAS


def _things() -> Iterator[str]:
    yield from _joined(SMALL_THINGS, THINGS_ARE)
    for thing, place in product(LARGE_THINGS, LARGE_THINGS_ARE):
        if place != "on a stage" or thing not in LARGE_CANNOT_STAGE:
            yield f"{thing} {place}"
    for colour, thing in product(COLOURS, PLAIN_COLOURED):
        yield _coloured(colour, thing)


def _events_and_images() -> Iterator[str]:
    for event, how in product(EVENTS, EVENTS_ARE):
        if event not in ONLY_INDOORS or how not in ("outdoors", "seen from above", "in summer"):
            yield f"{event} {how}"
    for form, surface in product(SURFACES_ARE, SURFACES):
        yield form.format(surface)
    yield from _joined(ABSTRACT, ABSTRACT_ARE)
    yield from DOCUMENTS
    for form, subject in product(PHOTO_KINDS, PHOTO_SUBJECTS):
        yield form.format(subject)
